//! A TUN device: what its host sends is read from it, what is written to it arrives at the host.
//!
//! What must stay true: one read is one packet as it would be on the wire. So no `IFF_VNET_HDR`: the kernel then cuts and
//! sums up before we read.

use super::error::Error;
use rustix::fs::OFlags;
use rustix::ioctl::{self, Opcode, Updater};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;

/// Name of the device in every namespace.
pub(crate) const DEVICE: &str = "lk0";

/// `_IOW('T', 202, int)` of linux/if_tun.h.
const TUNSETIFF: Opcode = ioctl::opcode::write::<i32>(b'T', 202);
const IFF_TUN: u16 = 0x0001;
/// No header before the packet.
const IFF_NO_PI: u16 = 0x1000;

/// `struct ifreq` with the one member of its union that is used here; 40 bytes on 64-bit Linux.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Makes the device in the namespace of the calling thread; it vanishes with the descriptor.
pub(crate) fn open() -> Result<OwnedFd, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let device = OwnedFd::from(options.open("/dev/net/tun").map_err(Error::Tun)?);
    let mut request = InterfaceRequest { name: [0; 16], flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
    request.name[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    attach(&device, &mut request).map_err(Error::Tun)?;
    Ok(device)
}

#[expect(unsafe_code, reason = "an ioctl has no safe form: its argument's type depends on the request")]
fn attach(device: &OwnedFd, request: &mut InterfaceRequest) -> io::Result<()> {
    // SAFETY: TUNSETIFF reads a `struct ifreq` and writes its name back. `InterfaceRequest` has that layout and size, and the
    // borrow lives through the call.
    Ok(unsafe { ioctl::ioctl(device, Updater::<TUNSETIFF, InterfaceRequest>::new(request)) }?)
}

#[test]
fn the_request_is_the_kernels() {
    assert_eq!(size_of::<InterfaceRequest>(), 40);
    assert_eq!(TUNSETIFF, 0x4004_54ca);
}
