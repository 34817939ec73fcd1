//! Writes the seeds of the fuzz targets: `fuzz_seeds DIRECTORY` makes `DIRECTORY/<target>/<seed>`.

#[path = "../tests/build/mod.rs"]
mod build;

use build::capture::Host;
use build::samples;
use phage_decode::{CaptureWriter, LinkType};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1);
    let directory = Path::new(directory.as_deref().unwrap_or("corpus"));
    for (target, seeds) in [("packet", packets()), ("capture", captures())] {
        let folder = directory.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

fn packets() -> Vec<(String, Vec<u8>)> {
    let index = |link: LinkType| {
        let place = samples::LINKS.iter().position(|known| *known == link.0);
        place.unwrap_or(0) as u8
    };
    samples::all()
        .into_iter()
        .map(|(name, link, frame)| {
            let seed = [&[index(link), 0, 0, 0], &frame[..]].concat();
            (name.to_owned(), seed)
        })
        .collect()
}

fn captures() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (host, name) in [(Host::Little, "little"), (Host::Big, "big")] {
        for (magic, kind) in [
            (0xa1b2_c3d4, "microseconds"),
            (0xa1b2_3c4d, "nanoseconds"),
            (0xa1b2_cd34, "modified"),
        ] {
            let mut file = host.pcap(magic, [2, 4], 1);
            for length in [0, 14, 60] {
                let mut record = host.record([7, 8], length + 4, &vec![length as u8; length]);
                if kind == "modified" {
                    record.splice(16..16, [0; 8]);
                }
                file.extend(record);
            }
            files.push((format!("{kind}_{name}"), file));
        }
        let mut file = host.section();
        let options = [host.option(9, &[9]), host.option(14, &[1; 8])].concat();
        file.extend(host.interface(1, 64, &options));
        file.extend(host.interface(113, 0, &host.option(9, &[0x8a])));
        file.extend(host.enhanced(1, 5_000_000_000, 99, &[1; 33]));
        file.extend(host.block(4, &[0; 16]));
        file.extend(host.obsolete(0, 7, &[2; 21]));
        file.extend(host.simple(70, &[3; 64]));
        file.extend(host.section());
        files.push((format!("blocks_{name}"), file));
    }
    let writer = CaptureWriter::new(LinkType::ETHERNET);
    let mut file = writer.header().to_vec();
    for (_, link, frame) in samples::all() {
        writer.append(
            &build::frame_header(link, frame.len(), frame.len()),
            &frame,
            &mut file,
        );
    }
    files.push(("samples".to_owned(), file));
    files
        .into_iter()
        .map(|(name, file)| (name, [&[0, 17, 2], &file[..]].concat()))
        .collect()
}
