//! Random bytes for what every request needs: tokens, nonces, ids. Asked of the machine in one piece for many, because
//! each question is a system call. Keys and secrets do not come from here.

use std::cell::RefCell;

/// How much is asked for at once.
const POOL_BYTES: usize = 1024;

struct Pool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// So many random bytes; none is given out twice.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    const { assert!(N <= POOL_BYTES) };
    POOL.with_borrow_mut(|pool| {
        if pool.left < N {
            getrandom::fill(&mut pool.bytes)?;
            pool.left = POOL_BYTES;
        }
        let mut out = [0; N];
        let given = &mut pool.bytes[pool.left - N..pool.left];
        out.copy_from_slice(given);
        given.fill(0);
        pool.left -= N;
        Ok(out)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_is_given_out_twice() {
        let mut seen = HashSet::new();
        for _ in 0..POOL_BYTES {
            assert!(seen.insert(bytes::<12>().unwrap()));
            assert!(seen.insert([&bytes::<8>().unwrap()[..], &[0; 4]].concat().try_into().unwrap()));
        }
    }
}
