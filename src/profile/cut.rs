//! Stacks that were cut: V8 keeps so many innermost frames, and what was called from further down
//! hangs below the root as if nobody had called it.

use std::collections::HashSet;
use std::sync::Arc;

use super::build::in_order;
use super::profile::{Context, Profile};
use super::row::RowData;
use crate::model::{Function, NodeId, ProfileError, PseudoFrame, SampleType};
use crate::text::percent;
use crate::tree::{NONE, check_count};

impl Profile {
    /// The context below which stacks are that were cut, `(cut)`; `None` if none was.
    ///
    /// Their callers further down are missing, also in the totals of functions that are on other
    /// stacks. [`SamplerOptions::stack_depth`](crate::SamplerOptions#structfield.stack_depth) says
    /// how many frames are kept.
    ///
    /// ```
    /// use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
    ///
    /// // Of each stack two frames were kept: `leaf` was called by `inner`, and that by somebody.
    /// let mut nodes = [(1, "(root)"), (2, "main"), (3, "inner"), (4, "leaf")]
    ///     .map(|(id, name)| Node::new(NodeId(id), name));
    /// nodes[0].child_ids = vec![NodeId(2), NodeId(3)];
    /// nodes[2].child_ids.push(NodeId(4));
    /// let samples = [2, 4].map(|node| Sample::new(NodeId(node), 64, SampleId(node.into()), true));
    /// let options = SamplerOptions::exact().stack_depth(2);
    /// let profile = Profile::from_samples(&nodes, samples, &options)?;
    /// let cut = profile.cut_stacks().expect("one is as deep");
    /// assert_eq!(cut.total(SampleType::InuseSpace).unwrap().exact(), Some(64));
    /// assert_eq!(&*cut.children().next().unwrap().function().name, "inner");
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn cut_stacks(&self) -> Option<Context<'_>> {
        let is_cut =
            |context: &Context<'_>| context.function().pseudo_frame() == Some(PseudoFrame::Cut);
        self.root().children().find(is_cut)
    }

    /// The number of frames that were kept of stacks that were cut; `None` if none was, or nobody
    /// knows.
    pub(crate) fn cut_at(&self) -> Option<u32> {
        let of_sampler = || Some(self.collection()?.options.stack_depth);
        self.cut_at.or_else(|| self.cut_stacks().and_then(|_| of_sampler()))
    }

    /// What a view that adds up callers says of stacks that were cut.
    pub(crate) fn note_of_cut_stacks(&self, sample_type: SampleType) -> Option<String> {
        let cut = self.cut_stacks()?.index();
        let ends = cut..self.ends()[cut] as usize;
        let sum =
            |rows: &[RowData]| rows.iter().map(|row| row.value(sample_type).abs()).sum::<f64>();
        let part = sum(&self.row_data()[self.rows_of(ends)]);
        let whole = sum(self.row_data());
        let share = (part > 0.0).then(|| percent(part, whole))?;
        let at = self.cut_at().map_or(String::new(), |depth| format!(" at {depth} frames"));
        Some(format!(
            "{share} is on stacks that were cut{at}, below (cut): callers are missing, which a \
             greater stack_depth keeps"
        ))
    }

    /// The depth at which the stacks of a file seem to have been cut: many end at one that tools
    /// cut at, and begin with different functions there.
    #[cfg(feature = "formats")]
    pub(crate) fn usual_depth_of_cut_stacks(&self) -> Option<u32> {
        /// The defaults of V8, Node and others, and what people set.
        const USUAL: [u32; 8] = [16, 32, 64, 127, 128, 256, 512, 1024];
        if self.collection().is_some() || self.cut_stacks().is_some() {
            return None;
        }
        let frames = self.frames();
        let deepest = frames.iter().copied().max().filter(|deepest| USUAL.contains(deepest))?;
        let mut first = None;
        let mut outermost = self.root().children().filter(|context| {
            let below = context.index()..context.end();
            frames[below].contains(&deepest)
        });
        let is_other = |context: Context<'_>| {
            *first.get_or_insert(context.function_number()) != context.function_number()
        };
        outermost.any(is_other).then_some(deepest)
    }

    /// How many frames the stack of each context has; pseudo frames are none.
    pub(super) fn frames(&self) -> Vec<u32> {
        let is_frame: Vec<bool> =
            self.functions().iter().map(|function| !function.is_pseudo_frame()).collect();
        let mut frames = vec![0; self.len()];
        for (rank, &parent) in self.parents().iter().enumerate().skip(1) {
            let is_frame = is_frame[self.function_numbers()[rank] as usize];
            frames[rank] = frames[parent as usize] + u32::from(is_frame);
        }
        frames
    }

    /// The profile with a context of its own, `(cut)`, above stacks that are as deep as those that
    /// are kept: the last one below the root. A stack that happens to have just as many frames is
    /// taken for one that was cut; if one has more, none was.
    ///
    /// What a stack has in common with others is twice in the tree then. Linear.
    pub(crate) fn with_cut_stacks_apart(mut self, depth: u32) -> Result<Self, ProfileError> {
        if self.cut_stacks().is_some() {
            return Ok(self);
        }
        let frames = self.frames();
        if frames.iter().any(|&frames| frames > depth) {
            // The depth is not the one at which they were cut.
            return Ok(self);
        }
        let is_cut = |rank: usize| frames[rank] == depth;
        let (mut moves, mut stays) = (vec![false; self.len()], vec![false; self.len()]);
        stays[0] = true;
        // Samples of dead objects can be in no row.
        let sampled = self.samples.iter().flatten().map(|sample| sample.context);
        for context in self.rows.iter().map(|row| row.context).chain(sampled) {
            stays[context as usize] = true;
        }
        for rank in (1..self.len()).rev() {
            let parent = self.parents[rank] as usize;
            moves[rank] |= is_cut(rank);
            stays[rank] |= self.ends[rank] as usize == rank + 1;
            stays[rank] &= !is_cut(rank);
            moves[parent] |= moves[rank];
            stays[parent] |= stays[rank];
        }
        moves[0] = false;
        let staying = stays.iter().filter(|&&stays| stays).count();
        let moving = moves.iter().filter(|&&moves| moves).count();
        if moving == 0 {
            return Ok(self);
        }
        let len = staying + 1 + moving;
        check_count(len)?;

        // Where each context comes to be, and where it would if it did.
        let places = |which: &[bool], first: usize| -> Vec<u32> {
            let mut next = first as u32;
            let mut place = |is: bool| {
                let here = next;
                next += u32::from(is);
                here
            };
            let mut places: Vec<u32> = which.iter().map(|&is| place(is)).collect();
            places.push(next);
            places
        };
        let (cut, to_stay, to_move) = (staying, places(&stays, 0), places(&moves, staying + 1));
        let mut functions = std::mem::take(&mut self.functions);
        functions.push(Arc::new(Function::named(PseudoFrame::Cut.name())));
        let mut function_of = Vec::with_capacity(len);
        let (mut parents, mut ends) = (Vec::with_capacity(len), Vec::with_capacity(len));
        let mut ids = self.ids.as_ref().map(|_| Vec::with_capacity(len));
        // V8 counts from 1 up; others may not.
        let known: HashSet<NodeId> = self.ids.iter().flatten().copied().collect();
        let new_ids = (1..=u32::MAX).rev().map(NodeId);
        let mut new_ids = new_ids.filter(|id| !known.contains(id));
        let mut new_id = || new_ids.next().expect("there are fewer contexts");
        for (which, places, is_copy) in [(&stays, &to_stay, false), (&moves, &to_move, true)] {
            if is_copy {
                function_of.push(functions.len() as u32 - 1);
                parents.push(0);
                ends.push(len as u32);
                ids.iter_mut().for_each(|ids| ids.push(new_id()));
            }
            for rank in (0..self.len()).filter(|&rank| which[rank]) {
                function_of.push(self.function_of[rank]);
                parents.push(match self.parents[rank] {
                    NONE => NONE,
                    0 if is_copy => cut as u32,
                    parent => places[parent as usize],
                });
                ends.push(places[self.ends[rank] as usize]);
                if let (Some(ids), Some(known)) = (&mut ids, &self.ids) {
                    ids.push(if is_copy && stays[rank] { new_id() } else { known[rank] });
                }
            }
        }
        ends[0] = len as u32;
        let place = |context: u32| {
            let rank = context as usize;
            if is_cut(rank) { to_move[rank] } else { to_stay[rank] }
        };
        for row in &mut self.rows {
            row.context = place(row.context);
        }
        self.rows.sort_by_key(RowData::key);
        for sample in self.samples.iter_mut().flatten() {
            sample.context = place(sample.context);
        }
        self.functions = in_order(functions, &mut function_of);
        (self.function_of, self.parents, self.ends, self.ids) = (function_of, parents, ends, ids);
        Ok(self)
    }
}
