//! Single files that cannot be read as what they are said to be.

use super::media::{png, silence, truncated_jpeg};
use crate::live::{File, Live, example};

/// The files, the code in which reading them ends, and what the message must name.
fn cases() -> Vec<(Vec<File>, &'static str, &'static str)> {
    let file = |media_type: &'static str, bytes: &[u8]| vec![("file", media_type, bytes.to_vec())];
    vec![
        (file("image/jpeg", &truncated_jpeg()), "invalid_media", "ends before the end of the picture"),
        (file("image/png", &png(20_000, 20_000)), "payload_too_large", "20000 x 20000"),
        (file("image/jpeg", b""), "invalid_media", "empty"),
        (file("application/octet-stream", b""), "invalid_media", "empty"),
        (file("audio/wav", &silence(30 * 60)), "payload_too_large", "600 seconds"),
        (file("image/jpeg", &png(10, 10)), "invalid_media", "image/png"),
        (file("audio/wav", b"this is no sound"), "invalid_media", "text"),
        (file("text/plain", b"Dear \xff\xfe all"), "invalid_media", "byte 5"),
        (file("application/json", b"{\"speed\": \xc3\x28}"), "invalid_media", "utf-8"),
        (file("application/json", b"{\"speed\": }"), "invalid_media", "line 1"),
        (file("application/octet-stream", b"\x01\xfe\xff\x00\x02"), "unsupported_media", "application/octet-stream"),
        (file("application/zip", b"PK\x03\x04"), "unsupported_media", "application/zip"),
        (vec![("letter", "text/plain", b"hello".to_vec())], "invalid_request", "it has: letter"),
        (Vec::new(), "invalid_request", "it has: none"),
    ]
}

pub async fn are_refused_by_what_they_are(live: &Live) {
    let refusals = cases().into_iter().map(|(files, code, named)| async move {
        let told = files.iter().map(|(name, media_type, bytes)| format!("{name}: {media_type}, {} bytes", bytes.len()));
        let told = told.collect::<Vec<_>>().join(", ");
        let (found, message) = live.fault("read", files).await;
        assert_eq!(found, code, "{told}: {message}");
        assert!(message.contains(named), "{told}: {message}");
    });
    futures::future::join_all(refusals).await;

    // Silence is no fault of the file: it is read, and there is nothing in it.
    let silent = live.submit("read", vec![("file", "audio/wav", silence(5))]).await;
    let silent = live.settled(&silent, &live.admin).await;
    assert_eq!(silent["status"], "completed", "{silent}");
    assert_eq!(silent["output"]["warnings"][0]["code"], "no_speech", "{silent}");
}

pub async fn without_a_label_are_read_by_what_they_are(live: &Live) {
    let packet = example().join("packets/C003");
    for (file, media_type) in
        [("email.txt", "text/plain"), ("signals.json", "application/json"), ("note.wav", "audio/wav")]
    {
        let bytes = std::fs::read(packet.join(file)).unwrap();
        let task = live.submit("read", vec![("file", "application/octet-stream", bytes)]).await;
        let task = live.settled(&task, &live.admin).await;
        assert_eq!(task["status"], "completed", "{file}: {task}");
        assert_eq!(task["output"]["media_type"], media_type, "{file}: {task}");
        assert!(task["output"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{file}: {task}");
    }
}
