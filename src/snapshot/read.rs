//! Reads the JSON of a heap snapshot, member by member, into columns.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::columns::{HeapSnapshot, Nodes, TracedContext, TracedFunction};

/// The depth to which calling contexts are read. V8's tracker notes 64 frames of a stack
/// (`AllocationTracker::kMaxAllocationTraceLength`).
const MOST_FRAMES: u32 = 512;

impl HeapSnapshot {
    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong, and where.
    pub(super) fn read(reader: impl Read) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_reader(reader);
        // Calling contexts nest deeper than what serde_json allows; they have a limit of their own.
        json.disable_recursion_limit();
        let snapshot = json.deserialize_map(Members).map_err(|error| error.to_string())?;
        json.end().map_err(|error| error.to_string())?;
        Ok(snapshot)
    }
}

/// The member `snapshot`, as far as it matters.
#[derive(Deserialize)]
struct Header {
    meta: Meta,
}

/// The names of what numbers stand for.
#[derive(Deserialize)]
struct Meta {
    node_fields: Vec<String>,
    node_types: Vec<Types>,
    edge_fields: Vec<String>,
    edge_types: Vec<Types>,
    #[serde(default)]
    trace_function_info_fields: Vec<String>,
    #[serde(default)]
    trace_node_fields: Vec<String>,
}

/// The type of a field: that of the first is a list of names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Types {
    Names(Vec<String>),
    Other(IgnoredAny),
}

impl Meta {
    fn check(&self) -> Result<(), String> {
        let (functions, contexts) = (&self.trace_function_info_fields, &self.trace_node_fields);
        let known = ["function_id", "name", "script_name", "script_id", "line", "column"];
        if !functions.is_empty() && *functions != known {
            return Err(format!("fields of functions: {functions:?}"));
        }
        let known = ["id", "function_info_index", "count", "size", "children"];
        if !contexts.is_empty() && *contexts != known {
            return Err(format!("fields of calling contexts: {contexts:?}"));
        }
        let known = ["type", "name_or_index", "to_node"];
        if self.edge_fields != known {
            return Err(format!("fields of references: {:?}", self.edge_fields));
        }
        Ok(())
    }
}

/// Reads the members of the whole.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = HeapSnapshot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heap snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<HeapSnapshot, A::Error> {
        let mut snapshot = HeapSnapshot::default();
        let mut meta: Option<Meta> = None;
        while let Some(member) = members.next_key::<String>()? {
            if !snapshot.strings.is_empty() {
                // Which of them are shown was not known yet.
                return Err(A::Error::custom(format_args!("member `{member}` after `strings`")));
            }
            match (&*member, &meta) {
                ("snapshot", None) => {
                    let mut header: Header = members.next_value()?;
                    header.meta.check().map_err(A::Error::custom)?;
                    if let Some(Types::Names(names)) = header.meta.node_types.first_mut() {
                        snapshot.type_names = std::mem::take(names);
                    }
                    meta = Some(header.meta);
                }
                ("nodes", Some(meta)) => {
                    snapshot.nodes = members.next_value_seed(NodesOf(meta))?;
                }
                ("edges", Some(meta)) => {
                    let edges = Edges { meta, snapshot: &snapshot };
                    let mut insides = members.next_value_seed(edges)?;
                    // Of several, the first one.
                    insides.sort();
                    insides.dedup_by_key(|&mut (array, _)| array);
                    snapshot.insides = insides;
                    snapshot.nodes.edge_counts = Vec::new();
                }
                ("trace_function_infos", _) => {
                    snapshot.functions = members.next_value_seed(Functions)?;
                }
                ("trace_tree", _) => {
                    let contexts = Contexts { contexts: &mut snapshot.contexts, depth: 0 };
                    members.next_value_seed(contexts)?;
                }
                ("strings", _) => {
                    snapshot.strings = members.next_value_seed(Strings(&snapshot))?;
                }
                ("snapshot" | "nodes" | "edges", _) => {
                    return Err(A::Error::custom(format_args!("member `{member}` out of order")));
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        if meta.is_none() {
            return Err(A::Error::missing_field("snapshot"));
        }
        Ok(snapshot)
    }
}

/// A number that must fit in fewer bits.
fn narrow<T: TryFrom<u64>, E: Error>(number: u64) -> Result<T, E> {
    let unexpected = Unexpected::Unsigned(number);
    T::try_from(number).map_err(|_| E::invalid_value(unexpected, &"a number of 32 bits or fewer"))
}

/// Has a visitor read an array.
macro_rules! array {
    () => {
        fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
            json.deserialize_seq(self)
        }
    };
}

/// Reads the nodes, whose fields stand one after the other.
struct NodesOf<'m>(&'m Meta);

impl<'de> DeserializeSeed<'de> for NodesOf<'_> {
    type Value = Nodes;
    array!();
}

impl<'de> Visitor<'de> for NodesOf<'_> {
    type Value = Nodes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of nodes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Nodes, A::Error> {
        let fields = &self.0.node_fields;
        let place = |wanted: &str| fields.iter().position(|field| field == wanted);
        let required = |wanted: &'static str| {
            place(wanted).ok_or_else(|| A::Error::custom(format_args!("nodes have no `{wanted}`")))
        };
        let [node_type, name, id] = [required("type")?, required("name")?, required("id")?];
        let [self_size, edge_count] = [required("self_size")?, required("edge_count")?];
        let trace = place("trace_node_id");
        let mut nodes = Nodes { fields: narrow(fields.len() as u64)?, ..Nodes::default() };
        let mut node = vec![0_u64; fields.len()];
        let mut at = 0;
        while let Some(number) = numbers.next_element::<u64>()? {
            node[at] = number;
            at += 1;
            if at == node.len() {
                at = 0;
                nodes.types.push(narrow(node[node_type])?);
                nodes.names.push(narrow(node[name])?);
                nodes.ids.push(narrow(node[id])?);
                nodes.self_sizes.push(node[self_size]);
                nodes.edge_counts.push(narrow(node[edge_count])?);
                nodes.traces.push(trace.map_or(Ok(0), |trace| narrow(node[trace]))?);
            }
        }
        if at != 0 {
            return Err(A::Error::custom("the last node is cut off"));
        }
        Ok(nodes)
    }
}

/// Reads references, of which those matter that say whose inside an array is: an array that V8 has
/// shortened has no stack any more once it was moved.
struct Edges<'s> {
    meta: &'s Meta,
    snapshot: &'s HeapSnapshot,
}

impl<'de> DeserializeSeed<'de> for Edges<'_> {
    type Value = Vec<(u32, u32)>;
    array!();
}

impl<'de> Visitor<'de> for Edges<'_> {
    type Value = Vec<(u32, u32)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of references")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        fn place(names: &[String], wanted: &str) -> Option<u64> {
            names.iter().position(|name| name == wanted).map(|at| at as u64)
        }
        let HeapSnapshot { nodes, type_names, .. } = self.snapshot;
        let internal = match self.meta.edge_types.first() {
            Some(Types::Names(names)) => place(names, "internal"),
            _ => None,
        };
        let array = place(type_names, "array");
        let cut_off = || A::Error::custom("the last reference is cut off");
        let mut insides = Vec::new();
        for (from, &count) in (0_u32..).zip(&nodes.edge_counts) {
            let is_tracked = nodes.traces[from as usize] != 0;
            for _ in 0..count {
                let edge_type = numbers.next_element::<u64>()?.ok_or_else(cut_off)?;
                numbers.next_element::<u64>()?.ok_or_else(cut_off)?;
                let to = numbers.next_element::<u64>()?.ok_or_else(cut_off)?;
                let to = to / u64::from(nodes.fields.max(1));
                if is_tracked
                    && Some(edge_type) == internal
                    && nodes.traces.get(to as usize) == Some(&0)
                    && array == nodes.types.get(to as usize).map(|&of| of.into())
                {
                    insides.push((narrow(to)?, from));
                }
            }
        }
        match numbers.next_element::<u64>()? {
            None => Ok(insides),
            Some(_) => Err(A::Error::custom("more references than nodes have")),
        }
    }
}

/// Reads the functions, whose fields stand one after the other.
struct Functions;

impl<'de> DeserializeSeed<'de> for Functions {
    type Value = Vec<TracedFunction>;
    array!();
}

impl<'de> Visitor<'de> for Functions {
    type Value = Vec<TracedFunction>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of functions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        let mut functions = Vec::new();
        while numbers.next_element::<u64>()?.is_some() {
            let mut fields = [0_u32; 5];
            for field in &mut fields {
                let number = numbers.next_element::<u64>()?;
                *field = narrow(
                    number.ok_or_else(|| A::Error::custom("the last function is cut off"))?,
                )?;
            }
            let [name, script_name, script_id, line, column] = fields;
            functions.push(TracedFunction { name, script_name, script_id, line, column });
        }
        Ok(functions)
    }
}

/// Reads calling contexts of one caller, and what they call.
struct Contexts<'c> {
    contexts: &'c mut Vec<TracedContext>,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Contexts<'_> {
    type Value = ();
    array!();
}

impl<'de> Visitor<'de> for Contexts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of calling contexts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self { contexts, depth } = self;
        if depth > MOST_FRAMES {
            return Err(A::Error::custom(format_args!("stacks of more than {MOST_FRAMES} frames")));
        }
        let cut_off = || A::Error::custom("the last calling context is cut off");
        while let Some(id) = fields.next_element::<u64>()? {
            let function = fields.next_element::<u64>()?.ok_or_else(cut_off)?;
            contexts.push(TracedContext { id: narrow(id)?, function: narrow(function)?, depth });
            for _ in ["count", "size"] {
                fields.next_element::<u64>()?.ok_or_else(cut_off)?;
            }
            let callees = Contexts { contexts, depth: depth + 1 };
            fields.next_element_seed(callees)?.ok_or_else(cut_off)?;
        }
        Ok(())
    }
}

/// Reads the strings that are shown: names of classes, functions and scripts.
struct Strings<'s>(&'s HeapSnapshot);

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = Vec<Option<Box<str>>>;
    array!();
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = Vec<Option<Box<str>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let Self(HeapSnapshot { nodes, functions, type_names, .. }) = self;
        // Other nodes have their contents for a name.
        let is_named = |of: &str| matches!(of, "object" | "native");
        let is_named: Vec<bool> = type_names.iter().map(|of| is_named(of)).collect();
        let of_nodes = nodes.names.iter().zip(&nodes.types);
        let of_nodes = of_nodes.filter(|(_, of)| is_named.get(usize::from(**of)) == Some(&true));
        let of_functions = functions.iter().flat_map(|of| [&of.name, &of.script_name]);
        let shown = of_nodes.map(|(name, _)| name).chain(of_functions);
        let mut is_shown: Vec<bool> = Vec::new();
        for &place in shown {
            let place = place as usize;
            if place >= is_shown.len() {
                is_shown.resize(place + 1, false);
            }
            is_shown[place] = true;
        }
        let mut strings = Vec::new();
        while let Some(text) = texts
            .next_element_seed(Text { is_shown: is_shown.get(strings.len()) == Some(&true) })?
        {
            strings.push(text);
        }
        Ok(strings)
    }
}

/// Reads a string, if it is shown, with U+FFFD for what is no text: V8 cuts characters off that
/// have more than 16 bits.
struct Text {
    is_shown: bool,
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Box<str>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        // As bytes, lone surrogates are no error.
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Text {
    type Value = Option<Box<str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let is_kept = self.is_shown || bytes.starts_with(HeapSnapshot::MARK.as_bytes());
        Ok(is_kept.then(|| String::from_utf8_lossy(bytes).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot of three nodes, of two functions: an array without a stack, which is the inside of
    /// a `Row` that `make` allocated.
    fn snapshot(nodes: &str, edges: &str, tree: &str, strings: &str) -> String {
        format!(
            r#"{{"snapshot":{{"meta":{{
                "node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],
                "node_types":[["array","object","native"],"string","number","number","number","number","number"],
                "edge_fields":["type","name_or_index","to_node"],
                "edge_types":[["element","internal"],"string_or_number","node"],
                "trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],
                "trace_node_fields":["id","function_info_index","count","size","children"],
                "sample_fields":[]}},"node_count":3}},
             "nodes":[{nodes}],"edges":[{edges}],
             "trace_function_infos":[0,1,0,0,0,0, 7,2,3,5,4,2],
             "trace_tree":[{tree}],"samples":[],"locations":[],"strings":[{strings}]}}"#
        )
    }

    const NODES: &str = "1,4,1,0,1,0,0, 1,4,3,40,1,2,0, 0,5,5,56,0,0,0";
    const EDGES: &str = "0,0,7, 1,5,14";
    const TREE: &str = "1,0,0,0,[2,1,1,40,[]]";
    const STRINGS: &str = r#""<dummy>","(root)","make","app.js","Row","(object elements)""#;

    fn read(text: &str) -> Result<HeapSnapshot, String> {
        HeapSnapshot::read(text.as_bytes())
    }

    #[test]
    fn columns_are_those_of_the_json() {
        let read = read(&snapshot(NODES, EDGES, TREE, STRINGS)).unwrap();
        assert_eq!(read.nodes.ids, [1, 3, 5]);
        assert_eq!(read.nodes.self_sizes, [0, 40, 56]);
        assert_eq!(read.nodes.traces, [0, 2, 0]);
        assert_eq!(read.insides, [(2, 1)]);
        let contexts: Vec<_> =
            read.contexts.iter().map(|of| (of.id, of.function, of.depth)).collect();
        assert_eq!(contexts, [(1, 0, 0), (2, 1, 1)]);
        assert_eq!((read.functions[1].line, read.functions[1].column), (4, 2));
        assert_eq!([2, 3, 4, 5].map(|place| read.text(place)), ["make", "app.js", "Row", ""]);
    }

    #[test]
    fn what_is_no_snapshot_is_an_error_that_says_why() {
        let whole = snapshot(NODES, EDGES, TREE, STRINGS);
        for (text, expected) in [
            (String::new(), "EOF"),
            (whole[..whole.len() / 2].to_owned(), "EOF"),
            ("[]".to_owned(), "a heap snapshot"),
            ("{}".to_owned(), "missing field `snapshot`"),
            (r#"{"nodes":[]}"#.to_owned(), "member `nodes` out of order"),
            (whole.replace(r#""id","self_size""#, r#""id","size""#), "nodes have no `self_size`"),
            (whole.replace("to_node", "from_node"), "fields of references"),
            (whole.replace("children", "callees"), "fields of calling contexts"),
            (whole.replace("script_id", "script"), "fields of functions"),
            (snapshot("1,4,1", EDGES, TREE, STRINGS), "the last node is cut off"),
            (snapshot(NODES, "0,0", TREE, STRINGS), "the last reference is cut off"),
            (snapshot(NODES, "0,0,7,1,5,14,0,0,7", TREE, STRINGS), "more references"),
            (snapshot(NODES, EDGES, "1,0,0", STRINGS), "the last calling context is cut off"),
            (snapshot(&NODES.replace("56", "-56"), EDGES, TREE, STRINGS), "invalid value"),
            (
                snapshot(&NODES.replace("0,5,5,", "0,5,4294967296,"), EDGES, TREE, STRINGS),
                "32 bits",
            ),
            (whole.replace(r#""strings""#, r#""strings":["a"],"strings""#), "after `strings`"),
            (format!("{whole}]"), "trailing"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn stacks_have_a_limit_and_texts_have_none() {
        let deep = |frames: u32| {
            let open: String = (1..=frames).map(|id| format!("{id},0,0,0,[")).collect();
            open + &"]".repeat(frames as usize)
        };
        assert_eq!(read(&snapshot(NODES, EDGES, &deep(65), STRINGS)).unwrap().contexts.len(), 65);
        let error = read(&snapshot(NODES, EDGES, &deep(5000), STRINGS)).unwrap_err();
        assert!(error.contains("stacks of more than 512 frames"), "{error}");
        // V8 cuts characters of more than 16 bits.
        let strings = STRINGS.replace("make", "m\\ud800");
        let read = read(&snapshot(NODES, EDGES, TREE, &strings)).unwrap();
        assert!(read.text(2).starts_with("m\u{fffd}"), "{}", read.text(2));
    }
}
