//! Seconds a page: `cargo bench --workspace --bench ocr -- PICTURE…` reads each picture three times and prints, as
//! one JSON line each, the best time and the lines that were read, for comparison with other engines.
#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use orrery_config::Paths;
use orrery_ocr::{OcrModels, OcrSettings, PaddleOcr};

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let cache = Paths::from_env().cache;
    let model =
        |name: &str| std::fs::read(cache.join("models").join(name)).with_context(|| format!("{name}: run the setup"));
    let detection = model("pp-ocrv6-det/3.10.0/PP-OCRv6_det_small.onnx")?;
    let recognition = model("pp-ocrv6-rec/3.10.0/PP-OCRv6_rec_small.onnx")?;
    let line_angle = model("pp-ocrv6-rec/3.10.0/ch_ppocr_mobile_v2.0_cls_mobile.onnx")?;
    let models = OcrModels { detection: &detection, recognition: &recognition, line_angle: &line_angle };
    let threads = std::thread::available_parallelism()?.get();
    let settings = OcrSettings { confidence_min: 0.5, identities: Vec::new() };
    let engine = PaddleOcr::load(&cache.join("lib/libonnxruntime.so"), threads, models, settings)?;
    for picture in std::env::args_os().skip(1).map(PathBuf::from).filter(|path| path.exists()) {
        let image = image::open(&picture).with_context(|| picture.display().to_string())?.into_rgb8();
        let mut best = f64::MAX;
        let mut lines = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let page = engine.read_page(&image)?;
            best = best.min(begin.elapsed().as_secs_f64());
            lines = page.lines.into_iter().map(|line| (line.text, line.confidence)).collect();
        }
        println!("{}", serde_json::json!({ "picture": picture, "seconds": best, "lines": lines }));
    }
    Ok(())
}
