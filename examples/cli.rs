//! Runs a script in an isolate and shows which functions allocated.
//!
//! ```text
//! cargo run --example cli -- [script.js] [--interval BYTES] [--depth FRAMES] [--live] [--json | --tree]
//! ```

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use support::{columns, share, size};
use v8_heap_sampler::{CallTree, TreeNode};

mod support;

/// Runs a script in an isolate and shows which functions allocated.
#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    arguments: support::Arguments,
    /// How many functions the table shows
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    top: usize,
    /// Print the nested graph as JSON instead; `console.log` then goes to standard error
    #[arg(long, conflicts_with = "tree")]
    json: bool,
    /// Print the whole call tree instead
    #[arg(long)]
    tree: bool,
}

/// The call tree, indented, without the branches below `least` of the whole.
fn call_tree(tree: &CallTree, least: f64) -> String {
    let all = tree.root().total();
    let is_shown = |node: &TreeNode<'_>| {
        node.total().bytes > 0 && node.total().bytes as f64 >= least * all.bytes as f64
    };
    let mut text = format!(
        "{:>10} {:>6} {:>9} {:>10}  {}\n",
        "total", "share", "objects", "self", "call tree"
    );
    let mut hidden = 0;
    let mut pending = vec![(tree.root(), 0)];
    while let Some((node, depth)) = pending.pop() {
        text += &format!(
            "{} {:>10}  {:indent$}{}\n",
            columns(node.total(), all),
            size(node.self_estimate().bytes),
            "",
            node.function,
            indent = 2 * depth
        );
        let (shown, small): (Vec<_>, Vec<_>) = node.children().partition(is_shown);
        hidden += small.iter().map(|node| node.descendants().len()).sum::<usize>();
        pending.extend(shown.into_iter().rev().map(|child| (child, depth + 1)));
    }
    if hidden > 0 && least == 0.0 {
        text += &format!("... and {hidden} nodes without a byte\n");
    } else if hidden > 0 {
        text += &format!("... and {hidden} nodes with less than {} of the whole\n", share(least));
    }
    text
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let to_stderr = cli.json;
    let console =
        Rc::new(move |is_error: bool, line: &str| support::print(is_error || to_stderr, line));
    support::main_with(&cli.arguments, console, |run, output| {
        if cli.json {
            run.tree.write_nested_json(&mut *output)?;
            writeln!(output)
        } else if cli.tree {
            write!(output, "{}\n\n{}", run.headline(), call_tree(&run.tree, 0.0))
        } else {
            let table = run.table(cli.top, &|_, _| Vec::new());
            write!(output, "{}\n\n{table}\n{}", run.headline(), call_tree(&run.tree, 0.01))
        }
    })
}
