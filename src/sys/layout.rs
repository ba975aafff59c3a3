//! The memory layout of `v8::AllocationProfile` and what it holds (`v8/include/v8-profiler.h`).
//!
//! The layouts are the same on all supported targets: plain integers and pointers, and
//! `std::vector`, which is three pointers in every standard library that V8 is built with.

#[cfg(not(feature = "v8-152"))]
use std::ffi::c_char;
use std::ffi::c_void;
use std::mem::{align_of, offset_of, size_of};

use super::Mismatch;

/// `std::vector<T>`
#[repr(C)]
pub(super) struct CxxVector<T> {
    begin: *const T,
    end: *const T,
    capacity: *const T,
}

impl<T> CxxVector<T> {
    /// The elements, once begin, end and capacity fit together.
    ///
    /// # Safety
    ///
    /// If the three pointers are in order, aligned, and whole elements apart, they are those of a
    /// live vector of initialised `T` that is not changed for as long as `self` is borrowed.
    #[inline]
    pub(super) unsafe fn as_slice(&self, what: &'static str) -> Result<&[T], Mismatch> {
        let (begin, end, capacity) =
            (self.begin as usize, self.end as usize, self.capacity as usize);
        if begin == end && capacity >= end {
            return Ok(&[]);
        }
        let bytes = end.wrapping_sub(begin);
        if begin == 0
            || begin > end
            || end > capacity
            || begin % align_of::<T>() != 0
            || bytes % size_of::<T>() != 0
            || bytes > isize::MAX as usize
        {
            return Err(self.refused(what));
        }
        // SAFETY: non-null, aligned, a whole number of elements, no longer than `isize::MAX`; the
        // caller vouches for what lies between.
        Ok(unsafe { std::slice::from_raw_parts(self.begin, bytes / size_of::<T>()) })
    }

    /// Away from those who read vectors, which then need not keep for it what it shows.
    #[cold]
    fn refused(&self, what: &str) -> Mismatch {
        let Self { begin, end, capacity } = self;
        Mismatch::new(format_args!(
            "vector of {what}: begin {begin:p}, end {end:p}, capacity {capacity:p}"
        ))
    }

    #[cfg(test)]
    pub(super) fn from_parts(begin: *const T, end: *const T, capacity: *const T) -> Self {
        Self { begin, end, capacity }
    }
}

/// The slot that a `Local<String>` points to: it holds the tagged pointer of the string.
pub(super) type StringSlot = *const c_void;

/// `AllocationProfile::Node`
#[repr(C)]
pub(super) struct RawNode {
    pub(super) name: *const StringSlot,
    pub(super) script_name: *const StringSlot,
    pub(super) script_id: i32,
    pub(super) start_position: i32,
    pub(super) line_number: i32,
    pub(super) column_number: i32,
    pub(super) node_id: u32,
    pub(super) children: CxxVector<*const RawNode>,
    pub(super) allocations: CxxVector<RawAllocation>,
}

/// `AllocationProfile::Allocation`
#[repr(C)]
pub(super) struct RawAllocation {
    pub(super) size: usize,
    pub(super) count: u32,
}

/// `AllocationProfile::Sample`
#[repr(C)]
pub(super) struct RawSample {
    pub(super) node_id: u32,
    pub(super) size: usize,
    pub(super) count: u32,
    pub(super) sample_id: u64,
    /// A C++ `bool`, read as a byte: a value other than 0 and 1 must be an error, not undefined.
    pub(super) is_live: u8,
}

/// `AllocationProfile`: a polymorphic class, of which only the vtable pointer is known.
#[repr(C)]
pub(super) struct RawProfile {
    pub(super) vtable: *const *const c_void,
}

/// `Isolate::AllowJavascriptExecutionScope`
#[repr(C)]
pub(super) struct RawAllowJavascript {
    isolate: *const c_void,
    /// A C++ `bool`, read as a byte, as are the others.
    pub(super) was_allowed: u8,
    was_allowed_without_throwing: u8,
    was_allowed_without_dump: u8,
}

/// `internal::Flag`, as far as it is read (`v8/src/flags/flags-impl.h`).
#[repr(C)]
pub(super) struct RawFlag {
    pub(super) flag_type: i32,
    /// V8 15.2 keeps names elsewhere.
    #[cfg(not(feature = "v8-152"))]
    _name: *const c_char,
    pub(super) value: *const u8,
    pub(super) default: *const u8,
}

/// `internal::Flag::TYPE_BOOL`
pub(super) const FLAG_TYPE_BOOL: i32 = 0;

const _: () = {
    assert!(offset_of!(RawFlag, flag_type) == 0);
    let name = if cfg!(feature = "v8-152") { 0 } else { size_of::<usize>() };
    assert!(offset_of!(RawFlag, value) == 8 + name);
    assert!(offset_of!(RawFlag, default) == 16 + name);

    assert!(size_of::<RawAllowJavascript>() == 16);
    assert!(offset_of!(RawAllowJavascript, was_allowed) == 8);

    assert!(size_of::<CxxVector<u64>>() == 24);

    assert!(size_of::<RawNode>() == 88);
    assert!(offset_of!(RawNode, name) == 0);
    assert!(offset_of!(RawNode, script_name) == 8);
    assert!(offset_of!(RawNode, script_id) == 16);
    assert!(offset_of!(RawNode, start_position) == 20);
    assert!(offset_of!(RawNode, line_number) == 24);
    assert!(offset_of!(RawNode, column_number) == 28);
    assert!(offset_of!(RawNode, node_id) == 32);
    assert!(offset_of!(RawNode, children) == 40);
    assert!(offset_of!(RawNode, allocations) == 64);

    assert!(size_of::<RawAllocation>() == 16);
    assert!(offset_of!(RawAllocation, size) == 0);
    assert!(offset_of!(RawAllocation, count) == 8);

    assert!(size_of::<RawSample>() == 40);
    assert!(offset_of!(RawSample, node_id) == 0);
    assert!(offset_of!(RawSample, size) == 8);
    assert!(offset_of!(RawSample, count) == 16);
    assert!(offset_of!(RawSample, sample_id) == 24);
    assert!(offset_of!(RawSample, is_live) == 32);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(begin: *const u64, end: *const u64, capacity: *const u64) -> Result<usize, String> {
        let vector = CxxVector::from_parts(begin, end, capacity);
        // SAFETY: the tests pass either the bounds of a live array or pointers that do not fit
        // together and so are never followed.
        unsafe { vector.as_slice("numbers") }.map(<[u64]>::len).map_err(|m| m.to_string())
    }

    #[test]
    fn vectors_are_read_only_if_their_pointers_fit_together() {
        let numbers = [1_u64, 2, 3, 4];
        let at = |n: usize| numbers.as_ptr().wrapping_add(n);
        let null = std::ptr::null();
        assert_eq!(check(at(0), at(3), at(4)), Ok(3));
        assert_eq!(check(at(2), at(2), at(4)), Ok(0));
        assert_eq!(check(null, null, null), Ok(0));
        assert!(check(at(3), at(1), at(4)).is_err());
        assert!(check(at(0), at(3), at(2)).is_err());
        assert!(check(at(2), at(2), at(0)).is_err());
        assert!(check(null, at(1), at(1)).is_err());
        let odd = at(0).cast::<u8>().wrapping_add(3).cast();
        assert!(check(odd, at(1), at(1)).is_err());
        let message = check(at(0), odd, at(4)).unwrap_err();
        assert!(message.starts_with("vector of numbers: begin 0x"), "{message}");
    }
}
