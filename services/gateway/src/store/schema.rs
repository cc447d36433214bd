//! The tables as diesel sees them.

diesel::table! {
    tenants (id) {
        id -> Text,
        title -> Text,
        created_ms -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        digest -> Binary,
        tenant -> Text,
        principal -> Text,
        roles -> Text,
        created_by -> Text,
        created_ms -> BigInt,
        expires_ms -> Nullable<BigInt>,
        revoked_ms -> Nullable<BigInt>,
        team -> Text,
    }
}

diesel::table! {
    control_revision (id) {
        id -> Integer,
        revision -> BigInt,
    }
}

diesel::table! {
    files (id) {
        id -> Text,
        tenant -> Text,
        purpose -> Text,
        file_name -> Text,
        media_type -> Text,
        size_bytes -> BigInt,
        sha256 -> Text,
        created_by -> Text,
        created_ms -> BigInt,
        expires_ms -> BigInt,
        deleted_ms -> BigInt,
    }
}

diesel::table! {
    model_batches (id) {
        id -> Text,
        tenant -> Text,
        key_id -> Text,
        created_by -> Text,
        endpoint -> Text,
        input_file_id -> Text,
        completion_window -> Text,
        metadata -> Text,
        terms -> Text,
        outputs_kept_s -> BigInt,
        status -> Text,
        task_id -> Text,
        errors -> Text,
        parts -> BigInt,
        total -> BigInt,
        completed -> BigInt,
        failed -> BigInt,
        output_file_id -> Text,
        error_file_id -> Text,
        created_ms -> BigInt,
        expires_ms -> BigInt,
        in_progress_ms -> BigInt,
        finalizing_ms -> BigInt,
        cancelling_ms -> BigInt,
        finished_ms -> BigInt,
    }
}

diesel::table! {
    model_batch_parts (batch, part) {
        batch -> Text,
        part -> BigInt,
        completed -> BigInt,
        failed -> BigInt,
    }
}
