// SPDX-License-Identifier: Apache-2.0
//! What the crate `sev` says of the same files, in hex, a value a line:
//!
//!     snp-digest launch FIRMWARE VCPUS MODEL FEATURES [KERNEL INITRD CMDLINE]
//!     snp-digest id LAUNCH-DIGEST ID-KEY AUTHOR-KEY FAMILY IMAGE SVN POLICY
//!
//! Numbers are decimal. The second prints ID block, digest of the ID key, digest of the author key.
use std::{env, error::Error, path::PathBuf};

use sev::{
    firmware::guest::GuestPolicy,
    measurement::{
        idblock::snp_calculate_id,
        idblock_types::FamilyId,
        snp::{snp_calc_launch_digest, SnpLaunchDigest, SnpMeasurementArgs},
        vcpu_types::CpuType,
        vmsa::{GuestFeatures, VMMType},
    },
    parser::ByteParser,
};

fn launch(words: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let digest = snp_calc_launch_digest(SnpMeasurementArgs {
        ovmf_file: PathBuf::from(&words[0]),
        vcpus: words[1].parse()?,
        vcpu_type: CpuType::try_from(words[2].as_str())?,
        guest_features: GuestFeatures(words[3].parse()?),
        kernel_file: words.get(4).map(PathBuf::from),
        initrd_file: words.get(5).map(PathBuf::from),
        append: words.get(6).map(String::as_str),
        ovmf_hash_str: None,
        vmm_type: Some(VMMType::QEMU),
    })?;
    Ok(vec![digest.get_hex_ld()])
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Box<dyn Error>> {
    let mut array = [0; N];
    hex::decode_to_slice(text, &mut array)?;
    Ok(array)
}

fn id(words: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let all = snp_calculate_id(
        Some(SnpLaunchDigest::new(bytes(&words[0])?)),
        Some(FamilyId::new(bytes(&words[3])?)),
        Some(FamilyId::new(bytes(&words[4])?)),
        Some(words[5].parse()?),
        Some(GuestPolicy::from(words[6].parse::<u64>()?)),
        PathBuf::from(&words[1]),
        PathBuf::from(&words[2]),
    )?;
    Ok(vec![
        hex::encode(all.id_block.to_bytes()?),
        all.id_key_digest.get_hex_ld(),
        all.auth_key_digest.get_hex_ld(),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().collect();
    let lines = match words[1].as_str() {
        "launch" => launch(&words[2..])?,
        _ => id(&words[2..])?,
    };
    println!("{}", lines.join("\n"));
    Ok(())
}
