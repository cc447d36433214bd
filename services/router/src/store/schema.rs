//! The router's tables.

diesel::table! {
    calls (id) {
        id -> Text,
        tenant -> Text,
        principal -> Text,
        task_id -> Text,
        step -> Text,
        month -> Text,
        capability -> Text,
        model -> Text,
        provider -> Text,
        outcome -> Text,
        input_tokens -> BigInt,
        output_tokens -> BigInt,
        pages -> BigInt,
        audio_ms -> BigInt,
        cost_nanos -> BigInt,
        latency_ms -> BigInt,
        attempts -> Integer,
        idempotency_key -> Text,
        decision_inputs -> Text,
        at_ms -> BigInt,
        team -> Text,
        key_id -> Text,
        first_token_ms -> BigInt,
        cache -> Text,
        decision_digest -> Text,
    }
}

diesel::table! {
    statistics (revision) {
        revision -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    catalogues (digest) {
        digest -> Text,
        json -> Text,
    }
}

diesel::table! {
    spent (tenant, month) {
        tenant -> Text,
        month -> Text,
        total_nanos -> BigInt,
    }
}

diesel::table! {
    limits (tenant, id) {
        tenant -> Text,
        id -> Text,
        scope -> Text,
        subject -> Text,
        model -> Text,
        metric -> Text,
        period -> Text,
        amount -> BigInt,
        soft -> Bool,
        alert_percents -> Text,
        when_unavailable -> Text,
    }
}

diesel::table! {
    accounts (tenant, limit_id, subject, model, window_start_ms) {
        tenant -> Text,
        limit_id -> Text,
        subject -> Text,
        model -> Text,
        window_start_ms -> BigInt,
        spent -> BigInt,
        held -> BigInt,
    }
}

diesel::table! {
    leases (holder, tenant, limit_id, subject, model, window_start_ms) {
        holder -> Text,
        tenant -> Text,
        limit_id -> Text,
        subject -> Text,
        model -> Text,
        window_start_ms -> BigInt,
        amount -> BigInt,
    }
}

diesel::table! {
    holders (holder) {
        holder -> Text,
        number -> BigInt,
        at_ms -> BigInt,
    }
}

diesel::table! {
    invocations (tenant, key) {
        tenant -> Text,
        key -> Text,
        request_digest -> Text,
        reply -> Binary,
        at_ms -> BigInt,
    }
}

diesel::table! {
    secrets (name) {
        name -> Text,
        version -> BigInt,
        sealed -> Nullable<Binary>,
        set_at_ms -> BigInt,
        set_by -> Text,
    }
}
