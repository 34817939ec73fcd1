//! Bytes and back.

use super::*;
use crate::fault::ModelFault;

#[test]
fn a_network_that_was_read_goes_on_as_the_one_that_was_written() {
    let rows = Traffic::new(40).rows(900);
    for learned in [0, 500, 999, 1_000, 1_003, 7_000] {
        for kernel in kernels() {
            let mut network = Network::new(&config(Some(kernel)));
            let past = Traffic::new(3).rows(learned);
            network.learn(&past, learned, &mut vec![0.0; learned]);
            let bytes = network.to_bytes();
            let mut read = Network::from_bytes_for(&bytes, Some(kernel)).unwrap();
            assert!(read.to_bytes() == bytes);
            assert_eq!(read.learned(), network.learned());
            assert_eq!(scores(&mut read, &rows), scores(&mut network, &rows));
            let (mut a, mut b) = (vec![0.0; 900], vec![0.0; 900]);
            network.learn(&rows, 900, &mut a);
            read.learn(&rows, 900, &mut b);
            assert_eq!(a, b);
        }
    }
}

#[test]
fn damaged_bytes_are_refused() {
    for learned in [50, 2_000] {
        let mut network = Network::new(&config(None));
        let past = Traffic::new(3).rows(learned);
        network.learn(&past, learned, &mut vec![0.0; learned]);
        let bytes = network.to_bytes();
        let steps = (0..bytes.len())
            .step_by(97)
            .chain(0..80)
            .chain(bytes.len() - 80..bytes.len());
        for at in steps {
            assert!(Network::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(Network::from_bytes(&damaged).is_err(), "damaged at {at}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Network::from_bytes(&longer).is_err());
    }
    let fault = |bytes: &[u8]| Network::from_bytes(bytes).err();
    assert_eq!(fault(b""), Some(ModelFault::Length));
    assert_eq!(fault(b"What is this?"), Some(ModelFault::NotAModel));
    assert_eq!(
        fault(b"PHNW\x09\0\0\0rest"),
        Some(ModelFault::Version {
            found: 9,
            expected: 1
        })
    );
}

/// Bytes with a right checksum and wrong contents: still a fault, never a panic.
#[test]
fn hostile_contents_are_refused() {
    let bytes = trained(None).to_bytes();
    let body = bytes.len() - 8;
    // After magic, version, catalog, three numbers, rate: the phase, rows trained, then the groups.
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = bytes[..body].to_vec();
        change(&mut changed);
        let hash = changed
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        changed.extend(hash.to_le_bytes());
        Network::from_bytes(&changed).err()
    };
    assert_eq!(sealed(&|_| {}), None);
    assert_eq!(sealed(&|b| b[8] ^= 1), Some(ModelFault::Catalog));
    assert_eq!(sealed(&|b| b[44] = 7), Some(ModelFault::Value("the phase")));
    assert_eq!(
        sealed(&|b| b[53] = 17),
        Some(ModelFault::Value("the number of groups"))
    );
    assert_eq!(
        sealed(&|b| b[54] = 11),
        Some(ModelFault::Value("the size of a group"))
    );
    assert_eq!(
        sealed(&|b| b[55] = 100),
        Some(ModelFault::Value("a feature of a group"))
    );
    let end = body - 4;
    assert_eq!(
        sealed(&|b| b[end..].copy_from_slice(&f32::NAN.to_le_bytes())),
        Some(ModelFault::Value("a number"))
    );
    assert_eq!(sealed(&|b| b.truncate(end)), Some(ModelFault::Length));
}
