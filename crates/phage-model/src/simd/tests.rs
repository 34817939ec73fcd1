#![expect(
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "tests: whole numbers, exact in a float"
)]

use super::*;

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
}

/// Applies logistic, log1p, reciprocal, roots and exp2 to 16 values.
struct Functions([f32; 16]);

impl Task for Functions {
    type Output = [[f32; 16]; 6];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut out = [[0.0; 16]; 6];
        for at in (0..16).step_by(S::WIDTH) {
            let x = s.load(&self.0[at..]);
            s.store(s.logistic(x), &mut out[0][at..]);
            s.store(s.log1p(x), &mut out[1][at..]);
            s.store(s.reciprocal(x), &mut out[2][at..]);
            let (root, inverse) = s.roots(x);
            s.store(root, &mut out[3][at..]);
            s.store(inverse, &mut out[4][at..]);
            let below = s.min(s.max(x, s.splat(DEEPEST)), s.splat(0.0));
            let (power, rest) = s.exp2(below);
            s.store(s.mul_add(power, rest, power), &mut out[5][at..]);
        }
        out
    }
}

#[test]
fn functions_agree_with_double_precision() {
    let mut values: Vec<f32> = vec![0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3e-7, 99.5, -99.5];
    for step in -4_000..4_000 {
        values.push(step as f32 * 0.0251);
        values.push((step as f32 * 0.01).exp2() * if step % 2 == 0 { 1.0 } else { -1.0 });
    }
    values.resize(values.len().next_multiple_of(16), 1.0);
    for kernel in kernels() {
        let (chunks, _) = values.as_chunks::<16>();
        for chunk in chunks {
            let out = Chosen::new(Some(kernel)).run(Functions(*chunk));
            for (lane, x) in chunk.iter().enumerate() {
                let x = f64::from(*x);
                let near = |function: usize, right: f64, tolerance: f64| {
                    let value = f64::from(out[function][lane]);
                    assert!(
                        (value - right).abs() <= tolerance,
                        "{} function {function} of {x}: {value}, should be {right}",
                        kernel.name()
                    );
                };
                near(0, 1.0 / (1.0 + x.exp2()), 1e-6);
                let log = x.abs().ln_1p();
                near(1, log.copysign(x), 3e-6 + log * 3e-7);
                if x.abs() > 1e-6 {
                    near(2, 1.0 / x, (1.0 / x).abs() * 3e-7);
                }
                let root = if x > 1e-12 { x.sqrt() } else { 0.0 };
                near(3, root, root * 4e-7);
                let inverse = if x > 1e-12 { 1.0 / x.sqrt() } else { 0.0 };
                near(4, inverse, inverse * 4e-7);
                let power = x.clamp(-100.0, 0.0).exp2();
                near(5, power, power * 3e-7);
            }
        }
    }
}

#[test]
fn functions_answer_for_what_is_not_a_number() {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        -f32::NAN,
    ];
    let mut values = [0.0; 16];
    values[..6].copy_from_slice(&odd);
    for kernel in kernels() {
        let out = Chosen::new(Some(kernel)).run(Functions(values));
        for lane in 0..6 {
            assert!(
                (0.0..=1.0).contains(&out[0][lane]),
                "{} {}",
                kernel.name(),
                values[lane]
            );
        }
    }
}

struct Transposed([[f32; 16]; 16]);

impl Task for Transposed {
    type Output = Vec<Vec<f32>>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut square = Vec::new();
        for row in self.0.iter().take(S::WIDTH) {
            square.push(s.load(row));
        }
        s.transpose(&mut square);
        square
            .into_iter()
            .map(|v| {
                let mut row = vec![0.0; S::WIDTH];
                s.store(v, &mut row);
                row
            })
            .collect()
    }
}

#[test]
fn squares_are_transposed() {
    let square =
        std::array::from_fn(|row| std::array::from_fn(|column| (row * 16 + column) as f32));
    for kernel in kernels() {
        let turned = Chosen::new(Some(kernel)).run(Transposed(square));
        for (column, values) in turned.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                assert_eq!(*value, (row * 16 + column) as f32, "{}", kernel.name());
            }
        }
    }
}

#[test]
fn kernels_have_names() {
    for kernel in Kernel::ALL {
        assert_eq!(Kernel::from_name(kernel.name()), Some(kernel));
    }
    assert_eq!(Kernel::from_name("abacus"), None);
    assert!(Kernel::best().is_available());
    assert_eq!(
        Chosen::new(Some(Kernel::Portable)).kernel(),
        Kernel::Portable
    );
}
