//! Where files are cut: the parameters of content-defined chunking, frozen because boundaries are protocol.
//!
//! A gear hash (Xia et al., FastCDC, USENIX ATC 2016) with normalised chunking: a stricter mask before the average
//! length and a looser one behind it. The cutter itself lives in `content-tools`; two cutters that disagree on one
//! boundary would not deduplicate against each other, so table, masks and limits stand here with golden vectors.

/// Number of a cut profile as manifests carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutProfileId(pub u8);

/// Limits and masks of one profile. Lengths are plaintext bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutProfile {
    /// Its number in manifests.
    pub id: CutProfileId,
    /// Its name in `--json` and documents.
    pub name: &'static str,
    /// No boundary before this many bytes (but at the end of a file).
    pub min: u32,
    /// The masks change here.
    pub normal: u32,
    /// A boundary is forced here.
    pub max: u32,
    /// A boundary before `normal` needs all these hash bits to be zero.
    pub mask_strict: u64,
    /// A boundary from `normal` on needs all these hash bits to be zero.
    pub mask_loose: u64,
}

/// A mask of the `bits` highest bits: the gear hash shifts left, so its high bits have seen the most bytes.
const fn high_bits(bits: u32) -> u64 {
    !0 << (64 - bits)
}

/// Films, sound, pictures, documents, archives, everything but text: about 20 KiB a chunk.
pub const MEDIA: CutProfile = CutProfile {
    id: CutProfileId(3),
    name: "media-16k",
    min: 4 << 10,
    normal: 16 << 10,
    max: 64 << 10,
    mask_strict: high_bits(15),
    mask_loose: high_bits(13),
};

/// Text: about 9 KiB a chunk.
pub const TEXT: CutProfile = CutProfile {
    id: CutProfileId(4),
    name: "text-8k",
    min: 2 << 10,
    normal: 8 << 10,
    max: 32 << 10,
    mask_strict: high_bits(15),
    mask_loose: high_bits(11),
};

/// The first profile for everything but text; not chosen any more.
pub const MEDIA_64K: CutProfile = CutProfile {
    id: CutProfileId(1),
    name: "media-64k",
    min: 16 << 10,
    normal: 64 << 10,
    max: 256 << 10,
    mask_strict: high_bits(18),
    mask_loose: high_bits(14),
};

/// The first profile for text; not chosen any more.
pub const TEXT_16K: CutProfile = CutProfile {
    id: CutProfileId(2),
    name: "text-16k",
    min: 4 << 10,
    normal: 16 << 10,
    max: 64 << 10,
    mask_strict: high_bits(16),
    mask_loose: high_bits(12),
};

/// All profiles that this version can cut by, in the order of their numbers.
pub const PROFILES: [CutProfile; 4] = [MEDIA_64K, TEXT_16K, MEDIA, TEXT];

/// Context of the key derivation that yields the gear table.
pub const GEAR_CONTEXT: &str = "karez 2026-11 gear table v1";

/// The 256 gear values: BLAKE3 derive-key of [`GEAR_CONTEXT`] over no key material, 2048 bytes of output, little-endian.
pub fn gear_table() -> [u64; 256] {
    let mut bytes = [0; 2048];
    blake3::Hasher::new_derive_key(GEAR_CONTEXT).finalize_xof().fill(&mut bytes);
    let mut table = [0; 256];
    for (value, raw) in table.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *value = u64::from_le_bytes(*raw);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_ordered_and_masks_nest() {
        for (profile, number) in PROFILES.into_iter().zip(1..) {
            assert_eq!(profile.id, CutProfileId(number));
            assert!(profile.min < profile.normal && profile.normal < profile.max);
            assert!(profile.max <= super::super::chunk::PLAIN_BYTES_MAX);
            assert_eq!(profile.mask_strict & profile.mask_loose, profile.mask_loose);
        }
    }
}
