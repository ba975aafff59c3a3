//! Owns an `AllocationProfile` of V8's.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::Mismatch;
use super::isolate::RawIsolate;
use super::layout::{CxxVector, RawNode, RawProfile, RawSample};
use super::symbols::{self, vtable};

/// The one owner of a profile that V8 returned; deletes it on drop, whatever happens between.
///
/// The profile holds handles to strings, so it must not outlive the handle scope that it was taken
/// in: declare the scope first.
pub(super) struct OwnedProfile(NonNull<RawProfile>);

impl OwnedProfile {
    /// Takes a profile of what the isolate's sampler holds now; `None` if none is running.
    ///
    /// # Safety
    ///
    /// The isolate is alive, entered and used by this thread alone, and a handle scope is open on
    /// it that outlives the profile.
    pub(super) unsafe fn take(isolate: RawIsolate) -> Result<Option<Self>, Mismatch> {
        // SAFETY: the isolate is alive, as the caller vouches.
        let profiler = unsafe { isolate.heap_profiler() }?;
        // SAFETY: the profiler belongs to a live isolate, and the caller has opened the scope that
        // the strings' handles go into.
        let profile = unsafe { symbols::heap_profiler_get_allocation_profile(profiler.as_ptr()) };
        let Some(profile) = NonNull::new(profile) else {
            return Ok(None);
        };
        if !profile.is_aligned() {
            return Err(Mismatch::new(format_args!("address of the profile: {profile:p}")));
        }
        // From here on the profile is deleted whatever is found, but for a vtable that cannot be
        // one: then there is nothing to delete it with.
        // SAFETY: V8 returned an object of a polymorphic class, whose first word is the vtable.
        let table = unsafe { profile.as_ref() }.vtable;
        if table.is_null() || !table.is_aligned() {
            return Err(Mismatch::new(format_args!("vtable of the profile: {table:p}")));
        }
        let profile = Self(profile);
        let methods = [vtable::GET_ROOT_NODE, vtable::GET_SAMPLES, vtable::DELETING_DESTRUCTOR];
        if methods.iter().any(|&slot| profile.slot(slot).is_null()) {
            std::mem::forget(profile);
            return Err(Mismatch::new(format_args!("vtable of the profile: a method is missing")));
        }
        Ok(Some(profile))
    }

    /// The root node, checked for being one as far as its own bytes can tell.
    pub(super) fn root(&self) -> Result<&RawNode, Mismatch> {
        type GetRootNode = unsafe extern "C" fn(*mut RawProfile) -> *const RawNode;
        let method = self.slot(vtable::GET_ROOT_NODE);
        // SAFETY: this slot of the class's vtable holds a method of this signature.
        let get_root_node: GetRootNode = unsafe { std::mem::transmute(method) };
        // SAFETY: `self` owns a live profile.
        let root = unsafe { get_root_node(self.0.as_ptr()) };
        if root.is_null() || !root.is_aligned() {
            return Err(Mismatch::new(format_args!("address of the root node: {root:p}")));
        }
        // SAFETY: a non-null, aligned `Node*` that lives as long as the profile, which `self`
        // borrows.
        Ok(unsafe { &*root })
    }

    /// The samples: one per sampled object.
    pub(super) fn samples(&self) -> Result<&[RawSample], Mismatch> {
        type GetSamples = unsafe extern "C" fn(*mut RawProfile) -> *const CxxVector<RawSample>;
        let method = self.slot(vtable::GET_SAMPLES);
        // SAFETY: this slot of the class's vtable holds a method of this signature; C++ returns a
        // reference as a pointer.
        let get_samples: GetSamples = unsafe { std::mem::transmute(method) };
        // SAFETY: `self` owns a live profile.
        let samples = unsafe { get_samples(self.0.as_ptr()) };
        if samples.is_null() || !samples.is_aligned() {
            return Err(Mismatch::new(format_args!("address of the samples: {samples:p}")));
        }
        // SAFETY: the vector is a member of the profile and lives as long as it.
        let samples = unsafe { &*samples };
        // SAFETY: V8 filled the vector before it returned the profile, and leaves it alone.
        unsafe { samples.as_slice("samples") }
    }

    /// A method of the class.
    fn slot(&self, slot: usize) -> *const c_void {
        // SAFETY: `self` owns a live profile.
        let table = unsafe { self.0.as_ref() }.vtable;
        // SAFETY: the class has two virtual methods and a virtual destructor, for which each ABI's
        // vtable has the slots that `symbols::vtable` names (and `.ci/check-targets` compares); the
        // table was checked for null and alignment.
        let method = unsafe { table.add(slot) };
        // SAFETY: within the vtable, which is static data.
        unsafe { *method }
    }
}

impl Drop for OwnedProfile {
    fn drop(&mut self) {
        let method = self.slot(vtable::DELETING_DESTRUCTOR);
        if cfg!(target_env = "msvc") {
            type Delete = unsafe extern "C" fn(*mut RawProfile, u32) -> *mut c_void;
            // SAFETY: MSVC's deleting destructor takes flags, of which 1 frees the memory.
            let delete: Delete = unsafe { std::mem::transmute(method) };
            // SAFETY: `self` is the profile's only owner and is going away.
            unsafe { delete(self.0.as_ptr(), 1) };
        } else {
            type Delete = unsafe extern "C" fn(*mut RawProfile);
            // SAFETY: the Itanium ABI's deleting destructor takes `this` alone.
            let delete: Delete = unsafe { std::mem::transmute(method) };
            // SAFETY: `self` is the profile's only owner and is going away.
            unsafe { delete(self.0.as_ptr()) };
        }
    }
}
