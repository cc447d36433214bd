//! The kernel's tables, as `migrations/` creates them.

diesel::table! {
    partitions (id) { id -> Integer, epoch -> BigInt, owner -> Text, }
}

diesel::table! {
    definitions (tenant, namespace, name, version) {
        tenant -> Text, namespace -> Text, name -> Text, version -> Text,
        hash -> Text, title -> Text, source -> Text, deployed_ms -> BigInt,
    }
}

diesel::table! {
    runs (id) {
        id -> Text, tenant -> Text, partition -> Integer,
        workflow -> Text, version -> Text, definition_hash -> Text,
        status -> Text, submitted_by -> Text,
        created_ms -> BigInt, updated_ms -> BigInt, finished_ms -> BigInt,
        seq -> BigInt, wake_ms -> Nullable<BigInt>,
        active -> Text, input -> Text, attachments -> Text, output -> Text, error -> Text,
    }
}

diesel::table! {
    journal (run_id, seq) {
        run_id -> Text, seq -> BigInt, events -> Text, at_ms -> BigInt,
    }
}

diesel::table! {
    inbox (tenant, key) { tenant -> Text, key -> Text, request_digest -> Text, run_id -> Text, }
}

diesel::table! {
    reviews (id) {
        id -> Text, tenant -> Text, run_id -> Text, pointer -> Text,
        title -> Text, instructions -> Text, roles -> Text, form -> Text, subject -> Text,
        status -> Text, claimed_by -> Text, decision -> Text, reason -> Text, edits -> Text,
        decided_by -> Text, submitted_by -> Text,
        created_ms -> BigInt, claimed_ms -> BigInt, decided_ms -> BigInt, due_ms -> BigInt,
        workflow -> Text, details -> Text, delegated_by -> Text, expires_ms -> BigInt, sort_ms -> BigInt,
        level -> Integer, round -> Integer, result -> Text, signature -> Text,
        previous -> Text,
    }
}

diesel::table! {
    pending (run_id) {
        run_id -> Text, tenant -> Text, partition -> Integer, workflow -> Text, priority -> BigInt, since_ms -> BigInt,
    }
}

diesel::table! {
    review_people (review_id, part, who) { review_id -> Text, part -> Text, who -> Text, tenant -> Text, }
}

diesel::table! {
    review_comments (review_id, id) {
        review_id -> Text, id -> Text, author -> Text, text -> Text, at_ms -> BigInt,
    }
}

diesel::table! {
    work (key) {
        key -> Text, tenant -> Text, run_id -> Text, queue -> Text, status -> Text,
        turn_ms -> BigInt, priority -> BigInt, attempt -> BigInt, token -> Text,
        heartbeat_ms -> BigInt, beat_ms -> BigInt, details -> Text,
    }
}

diesel::table! {
    review_votes (review_id, voter) {
        review_id -> Text, voter -> Text, decision -> Text, reason -> Text, edits -> Text, at_ms -> BigInt,
    }
}

diesel::table! {
    decision_keys (verifier_key) { verifier_key -> Text, since_ms -> BigInt, }
}

diesel::allow_tables_to_appear_in_same_query!(reviews, review_people, review_votes);

diesel::table! {
    registrations (tenant, key, value_digest, run_id) {
        tenant -> Text, key -> Text, value_digest -> Text, run_id -> Text, registered_ms -> BigInt,
    }
}

diesel::table! {
    subscriptions (run_id, frame, event_type) { run_id -> Text, frame -> BigInt, event_type -> Text, tenant -> Text, }
}

diesel::table! {
    schedules (tenant, namespace, name) {
        tenant -> Text, namespace -> Text, name -> Text, version -> Text,
        definition_hash -> Text, partition -> Integer,
        submitted_by -> Text, roles -> Text, deployed_ms -> BigInt,
        next_ms -> Nullable<BigInt>, running -> Text, gathered -> Text,
    }
}

diesel::table! {
    schedule_events (tenant, event_type, namespace, name) {
        tenant -> Text, event_type -> Text, namespace -> Text, name -> Text,
    }
}

diesel::table! {
    snapshots (run_id) { run_id -> Text, seq -> BigInt, state -> Text, }
}

diesel::table! {
    members (id) { id -> Text, beat -> BigInt, }
}

diesel::table! {
    errands (id) { id -> Text, partition -> Integer, run_id -> Text, tenant -> Text, errand -> Text, }
}

diesel::table! {
    pauses (tenant, workflow) {
        tenant -> Text, workflow -> Text, paused_by -> Text, reason -> Text, paused_ms -> BigInt,
    }
}

diesel::table! {
    run_pauses (run_id, scope) {
        run_id -> Text, scope -> Text, tenant -> Text, workflow -> Text, partition -> Integer,
    }
}

diesel::table! {
    run_attributes (run_id, name) { run_id -> Text, name -> Text, tenant -> Text, value -> Text, }
}

diesel::table! {
    work_holds (key) { key -> Text, tenant -> Text, queue -> Text, until_ms -> BigInt, }
}

diesel::table! {
    batches (id) {
        id -> Text, tenant -> Text, partition -> Integer,
        idempotency_key -> Text, request_digest -> Text,
        operation -> Text, filter -> Text, rate -> BigInt, created_by -> Text, reason -> Text,
        state -> Text, after_run -> Text, page -> Text,
        total -> BigInt, done -> BigInt, failed -> BigInt, skipped -> BigInt,
        created_ms -> BigInt, updated_ms -> BigInt, finished_ms -> BigInt,
    }
}

diesel::table! {
    batch_failures (batch_id, run_id) {
        batch_id -> Text, run_id -> Text, code -> Text, reason -> Text, at_ms -> BigInt,
    }
}

diesel::table! {
    retention (tenant, workflow) { tenant -> Text, workflow -> Text, keep_ms -> BigInt, archive -> Bool, }
}

diesel::table! {
    archives (run_id) {
        run_id -> Text, tenant -> Text, workflow -> Text, version -> Text, definition_hash -> Text, status -> Text,
        submitted_by -> Text, created_ms -> BigInt, finished_ms -> BigInt,
        key -> Text, sha256 -> Text, size_bytes -> BigInt, archived_ms -> BigInt,
    }
}

diesel::table! {
    removals (run_id) { run_id -> Text, tenant -> Text, partition -> Integer, texts -> Text, }
}

diesel::allow_tables_to_appear_in_same_query!(runs, run_pauses, pauses, run_attributes);
diesel::allow_tables_to_appear_in_same_query!(runs, inbox, retention);
