//! Chance for losses and jitter: one stream for each link, so that the n-th packet of a link has the same fate in every run.

/// xorshift64*: small, fast, and good enough for patterns of loss.
pub(super) struct Dice(u64);

impl Dice {
    /// splitmix64 keeps the streams of neighbouring links apart.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = seed.wrapping_add(stream.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((z ^ (z >> 31)) | 1)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}
