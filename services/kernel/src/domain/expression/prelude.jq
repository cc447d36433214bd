# What jq has and the library of `jaq` has not, or has otherwise (jq manual, version 1.7).

def debug: .;
def debug(msgs): .;
def gamma: lgamma;

def toarray: if type == "array" then . else [.] end;
def isvalid(f): try (f | true) catch false;
def ascii: [.] | implode;
def date: todate;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;

def ltrimstr($s): if type == "string" and ($s | type) == "string" and startswith($s) then .[($s | length):] else . end;
def rtrimstr($s):
  if type == "string" and ($s | type) == "string" and endswith($s) and $s != "" then .[:length - ($s | length)] else . end;
def join($s):
  reduce .[] as $x (null;
    (if . == null then "" else . + $s end)
    + ($x | if . == null then "" elif type == "string" then . elif type == "number" or type == "boolean" then tojson
            else error("cannot join with \(type)") end))
  // "";

def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] = $row);
def INDEX(f): INDEX(.[]; f);
def leaf_paths: paths(scalars);

# What is not there yet comes into being on the way.
def setpath($path; $x):
  if $path == [] then $x
  else
    $path[0] as $key
    | (if . != null then . elif ($key | type) == "string" then {} else [] end)
    | (if type == "array" and ($key | type) == "number" and $key >= length then . + [range($key - length + 1) | null] else . end)
    | (.[$key] | setpath($path[1:]; $x)) as $value
    | if type == "object" then . + {($key): $value} else .[$key] = $value end
  end;
def delpaths($paths):
  reduce ($paths | unique | reverse)[] as $path (.;
    if $path == [] then null
    elif $path[-1] as $key | getpath($path[:-1]) | . == null or (type == "array" and ($key | type) == "number" and ($key >= length or $key < -length))
    then . else getpath($path) |= empty end);
def del(f): [path(f)] as $paths | if any($paths[][]; type == "object") then f |= empty else delpaths($paths) end;
def walk(f): def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f; w;

def from_entries:
  reduce .[] as $x ({};
    . + {($x | if .key == null then .k // .name // .Name // .K // .Key else .key end
             | if type == "string" then . else tojson end):
         ($x | if has("value") then .value elif has("v") then .v else .Value end)});
def with_entries(f): to_entries | map(f) | from_entries;

def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f):
  {x: null, e: false} as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2 then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream):
  . as $n | null | stream | . as $input | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;

def @csv:
  map(if type == "string" then "\"" + (. / "\"" | join("\"\"")) + "\""
      elif . == null then "" elif type == "number" or type == "boolean" then tojson
      else error("\(type) cannot stand in a row of CSV") end)
  | join(",");
def @tsv:
  map(if type == "string"
      then . / "\\" | join("\\\\") | . / "\t" | join("\\t") | . / "\n" | join("\\n") | . / "\r" | join("\\r")
      elif . == null then "" elif type == "number" or type == "boolean" then tojson
      else error("\(type) cannot stand in a row of TSV") end)
  | join("\t");

# For assignments: all that the paths lead to is there.
def orrery_there(f):
  reduce path(f) as $path (.;
    $path[-1] as $key
    | (getpath($path[:-1]) | . == null or (type == "array" and ($key | type) == "number" and $key >= length)) as $missing
    | if $missing and $path != [] and all($path[]; type != "object") then setpath($path; null) else . end);
