//! The order people expect of names: `lesson 2` before `lesson 10`.

use std::cmp::Ordering;

/// Compares names: runs of ASCII digits by value, the rest by code point. Equal only for equal names.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let (x, y) = (digits(left), digits(right));
        let order = if x > 0 && y > 0 {
            let order = by_value(&left[..x], &right[..y]);
            (left, right) = (&left[x..], &right[y..]);
            order
        } else {
            match (left.split_first(), right.split_first()) {
                (Some((p, rest_left)), Some((q, rest_right))) => {
                    (left, right) = (rest_left, rest_right);
                    p.cmp(q)
                }
                // One name is the beginning of the other, or they differ in leading zeros only.
                (p, q) => return p.is_some().cmp(&q.is_some()).then_with(|| a.cmp(b)),
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The order of a walk: folder by folder, names in natural order.
pub(super) fn compare_paths(a: &str, b: &str) -> Ordering {
    let pairs = a.split('/').zip(b.split('/')).map(|(a, b)| compare(a, b));
    pairs.fold(Ordering::Equal, Ordering::then).then_with(|| a.split('/').count().cmp(&b.split('/').count()))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<u8>>();
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_value_and_the_rest_by_code_point() {
        let sorted = ["1", "01a", "2", "10", "a", "a1b", "a2", "a02b", "a10", "第2课", "第10课"];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("01", "1"), Ordering::Less);
        assert_eq!(compare("x01", "x01"), Ordering::Equal);
    }
}
