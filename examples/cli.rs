//! Runs a script in an isolate and shows which functions allocated.
//!
//! ```text
//! cargo run --example cli -- [script.js] [--interval BYTES] [--depth FRAMES] [--live] [--json | --tree]
//! ```

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use support::{Run, columns, header, share};
use v8_heap_sampler::TreeNode;

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
fn call_tree(run: &Run, least: f64) -> String {
    let (all, sums) = (run.all(), run.tree.estimates(&run.estimates));
    let total = |node: &TreeNode<'_>| run.shown(sums.total(*node));
    let is_shown = |node: &TreeNode<'_>| {
        let space = total(node).space;
        space.samples() > 0 && space.value() >= least * all.space.value()
    };
    let mut text = format!("{} {:>29}  call tree\n", header("total"), "self");
    let mut hidden = 0;
    let mut pending = vec![(run.tree.root(), 0)];
    while let Some((node, depth)) = pending.pop() {
        let own = match run.shown(sums.own(node)).space {
            space if space.samples() > 0 => space.to_string(),
            _ => "-".to_owned(),
        };
        text += &format!(
            "{} {own:>29}  {:indent$}{}\n",
            columns(total(&node), all),
            "",
            node.function,
            indent = 2 * depth
        );
        let (shown, small): (Vec<_>, Vec<_>) = node.children().partition(is_shown);
        hidden += small.iter().map(|node| node.descendants().len()).sum::<usize>();
        pending.extend(shown.into_iter().rev().map(|child| (child, depth + 1)));
    }
    if hidden > 0 && least == 0.0 {
        text += &format!("... and {hidden} nodes without a sample\n");
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
            write!(output, "{}\n\n{}", run.headline(), call_tree(run, 0.0))
        } else {
            let table = run.table(cli.top, &|_, _| Vec::new());
            write!(output, "{}\n\n{table}\n{}", run.headline(), call_tree(run, 0.01))
        }
    })
}
