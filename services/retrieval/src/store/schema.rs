//! Tables, as the migrations create them in both databases.

diesel::table! {
    collections (tenant, name) {
        tenant -> Text,
        name -> Text,
        version -> BigInt,
    }
}

diesel::table! {
    documents (tenant, collection, name) {
        tenant -> Text,
        collection -> Text,
        name -> Text,
        digest -> Text,
        media_type -> Text,
        title -> Text,
        text -> Text,
        access -> Text,
        model -> Text,
        added_ms -> BigInt,
    }
}

diesel::table! {
    chunks (id) {
        id -> Text,
        tenant -> Text,
        collection -> Text,
        document -> Text,
        ord -> Integer,
        digest -> Text,
        section_path -> Text,
        clause -> Text,
        text -> Text,
        start_char -> BigInt,
        end_char -> BigInt,
        page -> Integer,
        wording -> Binary,
        body -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(collections, documents, chunks);
