//! The methods and functions of V8 that the `v8` crate does not bind, by the names that its static
//! library gives them.
//!
//! They are C++, but they take and return only numbers and pointers, `this` first if they are methods
//! and not static, which C++ passes as C does on every target below.

use std::ffi::{c_char, c_void};

use super::layout::{RawAllowJavascript, RawFlag, RawProfile};

#[cfg(not(all(
    target_pointer_width = "64",
    any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        all(target_os = "windows", target_env = "msvc"),
    )
)))]
compile_error!(
    "v8-heap-sampler knows V8's C++ symbols for 64-bit Linux, Android, Apple and Windows (MSVC) \
     only. On other targets turn the default features off: profiles can then be read and \
     analysed, but not collected."
);

/// `v8::HeapProfiler`, of which only the address matters.
#[repr(C)]
pub(super) struct RawHeapProfiler {
    _opaque: [u8; 0],
}

// One declaration for all targets; only the names differ. Itanium mangling spells `uint64_t` `m`
// where it is `unsigned long` and `y` where it is `unsigned long long` (Apple). Rust adds Apple's
// leading underscore itself.
unsafe extern "C" {
    /// `static Isolate* Isolate::TryGetCurrent()`
    #[cfg_attr(not(windows), link_name = "_ZN2v87Isolate13TryGetCurrentEv")]
    #[cfg_attr(windows, link_name = "?TryGetCurrent@Isolate@v8@@SAPEAV12@XZ")]
    pub(super) fn isolate_try_get_current() -> *mut c_void;

    /// `static bool internal::FlagList::IsFrozen()`
    #[cfg_attr(not(windows), link_name = "_ZN2v88internal8FlagList8IsFrozenEv")]
    #[cfg_attr(windows, link_name = "?IsFrozen@FlagList@internal@v8@@SA_NXZ")]
    pub(super) fn flag_list_is_frozen() -> bool;

    /// `Flag* internal::FindFlagByName(const char* name)`; null if there is none.
    #[cfg_attr(not(windows), link_name = "_ZN2v88internal14FindFlagByNameEPKc")]
    #[cfg_attr(windows, link_name = "?FindFlagByName@internal@v8@@YAPEAUFlag@12@PEBD@Z")]
    pub(super) fn find_flag_by_name(name: *const c_char) -> *const RawFlag;

    /// `void Isolate::AutomaticallyRestoreInitialHeapLimit(double threshold_percent)`
    #[cfg_attr(not(windows), link_name = "_ZN2v87Isolate36AutomaticallyRestoreInitialHeapLimitEd")]
    #[cfg_attr(windows, link_name = "?AutomaticallyRestoreInitialHeapLimit@Isolate@v8@@QEAAXN@Z")]
    pub(super) fn isolate_restore_initial_heap_limit(isolate: *mut c_void, threshold: f64);

    /// `Isolate::AllowJavascriptExecutionScope::AllowJavascriptExecutionScope(Isolate* isolate)`
    #[cfg_attr(not(windows), link_name = "_ZN2v87Isolate29AllowJavascriptExecutionScopeC1EPS0_")]
    #[cfg_attr(windows, link_name = "??0AllowJavascriptExecutionScope@Isolate@v8@@QEAA@PEAV12@@Z")]
    pub(super) fn allow_javascript_construct(scope: *mut RawAllowJavascript, isolate: *mut c_void);

    /// `Isolate::AllowJavascriptExecutionScope::~AllowJavascriptExecutionScope()`
    #[cfg_attr(not(windows), link_name = "_ZN2v87Isolate29AllowJavascriptExecutionScopeD1Ev")]
    #[cfg_attr(windows, link_name = "??1AllowJavascriptExecutionScope@Isolate@v8@@QEAA@XZ")]
    pub(super) fn allow_javascript_destruct(scope: *mut RawAllowJavascript);

    /// `HeapProfiler* Isolate::GetHeapProfiler()`
    #[cfg_attr(not(windows), link_name = "_ZN2v87Isolate15GetHeapProfilerEv")]
    #[cfg_attr(windows, link_name = "?GetHeapProfiler@Isolate@v8@@QEAAPEAVHeapProfiler@2@XZ")]
    pub(super) fn isolate_get_heap_profiler(isolate: *mut c_void) -> *mut RawHeapProfiler;

    /// `bool HeapProfiler::StartSamplingHeapProfiler(uint64_t sample_interval, int stack_depth,
    /// SamplingFlags flags)`
    #[cfg_attr(
        not(any(windows, target_vendor = "apple")),
        link_name = "_ZN2v812HeapProfiler25StartSamplingHeapProfilerEmiNS0_13SamplingFlagsE"
    )]
    #[cfg_attr(
        target_vendor = "apple",
        link_name = "_ZN2v812HeapProfiler25StartSamplingHeapProfilerEyiNS0_13SamplingFlagsE"
    )]
    #[cfg_attr(
        windows,
        link_name = "?StartSamplingHeapProfiler@HeapProfiler@v8@@QEAA_N_KHW4SamplingFlags@12@@Z"
    )]
    pub(super) fn heap_profiler_start_sampling(
        profiler: *mut RawHeapProfiler,
        sample_interval: u64,
        stack_depth: i32,
        flags: i32,
    ) -> bool;

    /// `void HeapProfiler::StopSamplingHeapProfiler()`
    #[cfg_attr(not(windows), link_name = "_ZN2v812HeapProfiler24StopSamplingHeapProfilerEv")]
    #[cfg_attr(windows, link_name = "?StopSamplingHeapProfiler@HeapProfiler@v8@@QEAAXXZ")]
    pub(super) fn heap_profiler_stop_sampling(profiler: *mut RawHeapProfiler);

    /// `void HeapProfiler::StartTrackingHeapObjects(bool track_allocations)`
    #[cfg_attr(not(windows), link_name = "_ZN2v812HeapProfiler24StartTrackingHeapObjectsEb")]
    #[cfg_attr(windows, link_name = "?StartTrackingHeapObjects@HeapProfiler@v8@@QEAAX_N@Z")]
    pub(super) fn heap_profiler_start_tracking(
        profiler: *mut RawHeapProfiler,
        track_allocations: bool,
    );

    /// `void HeapProfiler::StopTrackingHeapObjects()`
    #[cfg_attr(not(windows), link_name = "_ZN2v812HeapProfiler23StopTrackingHeapObjectsEv")]
    #[cfg_attr(windows, link_name = "?StopTrackingHeapObjects@HeapProfiler@v8@@QEAAXXZ")]
    pub(super) fn heap_profiler_stop_tracking(profiler: *mut RawHeapProfiler);

    /// `AllocationProfile* HeapProfiler::GetAllocationProfile()`; the caller owns the profile.
    #[cfg_attr(not(windows), link_name = "_ZN2v812HeapProfiler20GetAllocationProfileEv")]
    #[cfg_attr(
        windows,
        link_name = "?GetAllocationProfile@HeapProfiler@v8@@QEAAPEAVAllocationProfile@2@XZ"
    )]
    pub(super) fn heap_profiler_get_allocation_profile(
        profiler: *mut RawHeapProfiler,
    ) -> *mut RawProfile;
}

/// `SamplingFlags::kSamplingIncludeObjectsCollectedByMajorGC`
pub(super) const SAMPLING_INCLUDE_MAJOR_GC: i32 = 1 << 1;
/// `SamplingFlags::kSamplingIncludeObjectsCollectedByMinorGC`
pub(super) const SAMPLING_INCLUDE_MINOR_GC: i32 = 1 << 2;

/// The slots of `AllocationProfile`'s vtable.
///
/// The Itanium ABI has two entries for a virtual destructor, the complete and the deleting one;
/// MSVC has the deleting one alone.
pub(super) mod vtable {
    pub(in crate::sys) const GET_ROOT_NODE: usize = 0;
    pub(in crate::sys) const GET_SAMPLES: usize = 1;
    pub(in crate::sys) const DELETING_DESTRUCTOR: usize =
        if cfg!(target_env = "msvc") { 2 } else { 3 };
}
