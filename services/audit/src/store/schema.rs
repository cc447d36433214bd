//! Tables, as the migrations create them in both databases.

diesel::table! {
    leaves (idx) {
        idx -> BigInt,
        record_id -> Text,
        tenant -> Text,
        task_id -> Text,
        leaf_hash -> Binary,
        record -> Text,
    }
}

diesel::table! {
    tiles (level, idx) {
        level -> Integer,
        idx -> BigInt,
        hashes -> Binary,
    }
}

diesel::table! {
    tree (id) {
        id -> Integer,
        size -> BigInt,
        checkpoint -> Text,
        verifier_key -> Text,
    }
}

diesel::table! {
    dead_letters (digest) {
        digest -> Text,
        subject -> Text,
        reason -> Text,
        payload -> Binary,
        received_ms -> BigInt,
    }
}
