//! Arithmetic on small arrays that the compiler turns into vector instructions.
//!
//! Multiplications and additions are never fused, so every processor gives the same bits.

/// Behaviour inputs of an ensemble.
pub const INPUTS: usize = 32;
/// Autoencoders of an ensemble: input `i` belongs to group `i % GROUPS` inside the arrays.
pub(super) const GROUPS: usize = 4;
/// Inputs of one autoencoder.
pub(super) const VISIBLE: usize = INPUTS / GROUPS;
/// Hidden neurons of one autoencoder.
pub(super) const HIDDEN: usize = 4;
/// Hidden neurons of all: neuron `h` of group `g` is lane `h * GROUPS + g`.
pub(super) const NEURONS: usize = HIDDEN * GROUPS;

/// One value for each input.
pub type Row = [f32; INPUTS];
/// One value for each hidden neuron.
pub(super) type Neurons = [f32; NEURONS];

/// The first and the second sixteen values of a row.
#[inline(always)]
pub(super) fn halves(row: &Row) -> &[Neurons; 2] {
    row.as_chunks::<NEURONS>()
        .0
        .first_chunk()
        .unwrap_or(&[[0.0; NEURONS]; 2])
}

/// The same, to be changed.
#[inline(always)]
pub(super) fn halves_mut(row: &mut Row) -> &mut [Neurons] {
    row.as_chunks_mut::<NEURONS>().0
}

/// Rounds to the nearest integer when added and subtracted (1.5 * 2^23).
const ROUND: f32 = 12_582_912.0;

/// The logistic function, to about 1e-6.
#[inline(always)]
pub(super) fn logistic(x: f32) -> f32 {
    // Beyond 30 the function is 0 or 1 in single precision.
    1.0 / (1.0 + exp2(x.clamp(-30.0, 30.0) * -std::f32::consts::LOG2_E))
}

/// e^x for |x| below 87, relative error about 1e-6 times |x|.
#[inline(always)]
pub(super) fn exponential(x: f32) -> f32 {
    exp2(x * std::f32::consts::LOG2_E)
}

/// 2^x for |x| below 126, relative error about 2e-7.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let shifted = x + ROUND;
    let fraction = x - (shifted - ROUND);
    // Taylor's series of 2^fraction on -0.5..=0.5.
    let power = 1.0
        + fraction
            * (std::f32::consts::LN_2
                + fraction
                    * (0.240_226_5
                        + fraction
                            * (0.055_504_11
                                + fraction
                                    * (0.009_618_129
                                        + fraction
                                            * (0.001_333_355_8 + fraction * 1.540_353e-4)))));
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127)
        << 23;
    power * f32::from_bits(exponent)
}

/// The natural logarithm of a number that is at least 1, to about 1e-6.
#[inline(always)]
pub(super) fn logarithm(x: f32) -> f32 {
    let bits = x.to_bits();
    // The mantissa is brought to 0.75..1.5, so that the logarithm of 1 is exactly 0.
    let above = (bits >> 22) & 1;
    let exponent = (bits >> 23).wrapping_add(above).wrapping_sub(127) as i32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | ((127 - above) << 23));
    // 2 atanh(r) with |r| at most 0.2.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = 1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square / 9.0)));
    exponent as f32 * std::f32::consts::LN_2 + 2.0 * ratio * series
}
