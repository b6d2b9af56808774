//! The compiled object.

/// The bytes of the object, aligned as the parser of ELF files needs it.
pub(super) fn bytes() -> &'static [u8] {
    static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/bpf/sensor.bpf.o"
    )));
    &OBJECT.0
}

#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);
