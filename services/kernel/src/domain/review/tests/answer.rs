//! RFC 7396, appendix A.

use serde_json::{Value, json};

use crate::domain::review::merge_patch;

#[test]
fn merging_follows_the_table_of_the_rfc() {
    let table = json!([
        [{"a": "b"}, {"a": "c"}, {"a": "c"}],
        [{"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}],
        [{"a": "b"}, {"a": null}, {}],
        [{"a": "b", "b": "c"}, {"a": null}, {"b": "c"}],
        [{"a": ["b"]}, {"a": "c"}, {"a": "c"}],
        [{"a": "c"}, {"a": ["b"]}, {"a": ["b"]}],
        [{"a": {"b": "c"}}, {"a": {"b": "d", "c": null}}, {"a": {"b": "d"}}],
        [{"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}],
        [["a", "b"], ["c", "d"], ["c", "d"]],
        [{"a": "b"}, ["c"], ["c"]],
        [{"a": "foo"}, null, null],
        [{"a": "foo"}, "bar", "bar"],
        [{"e": null}, {"a": 1}, {"e": null, "a": 1}],
        [[1, 2], {"a": "b", "c": null}, {"a": "b"}],
        [{}, {"a": {"bb": {"ccc": null}}}, {"a": {"bb": {}}}]
    ]);
    for row in table.as_array().unwrap() {
        let [target, patch, result] = row.as_array().unwrap().as_slice() else { panic!("{row}") };
        assert_eq!(merge_patch(Value::clone(target), patch), *result, "{target} with {patch}");
    }
}
