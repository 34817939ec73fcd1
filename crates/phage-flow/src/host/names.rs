//! How a name looks: its length and how evenly its characters are spread.

/// Shannon entropy of the characters of a name without its dots, in bits per character.
///
/// Labels that carry data (base32, base64, hexadecimal) come to 4 and more, words to about 3. Short
/// names cannot come high: eight characters reach 3 at most.
pub(super) fn entropy(name: &str) -> f32 {
    let mut counts = [0_u16; 256];
    let mut total = 0_u16;
    // A name has 255 octets at most (RFC 1035, 2.3.4).
    for byte in name.bytes().take(255).filter(|&byte| byte != b'.') {
        if let Some(count) = counts.get_mut(usize::from(byte.to_ascii_lowercase())) {
            *count += 1;
            total += 1;
        }
    }
    if total == 0 {
        return 0.0;
    }
    let total = f32::from(total);
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f32::from(count) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_spread_more_evenly_than_words() {
        assert!(entropy("").abs() < f32::EPSILON);
        assert!(entropy("aaaa.aa").abs() < 1e-6);
        assert!((entropy("ab.AB") - 1.0).abs() < 1e-6);
        assert!((entropy("abcdefgh") - 3.0).abs() < 1e-6);
        assert!(entropy("www.example.com") < 3.1);
        assert!(entropy("nbswy3dpo5xxe3deebqw4zdfojzsa5dinfzsa2lt") > 3.7);
    }
}
