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
