//! `honeyguide reproduce`.

use std::io::{self, Write};

use ::simulate::Split;
use honeyguide::drift::Closeness;
use honeyguide::reproduce::{CONTAMINATION, RECIPE, Reproduction, SplitResult, TABLE_3, reproduce};
use honeyguide::{Error, Source, is_url};

use crate::args::Reproduce;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{TextTable, count, defined, percent};

pub async fn run(context: &Context, args: Reproduce) -> Result<(), Failure> {
    if !is_url(&args.folder.to_string_lossy()) && !args.folder.is_dir() {
        return Err(Error::usage(format!("{}: no such folder", args.folder.display()))
            .hint("name the folder that holds BETH's three labelled files; `honeyguide simulate` makes a stand-in")
            .into());
    }
    let open = |split: Split| -> Result<Source, Failure> {
        let path = args.folder.join(split.file_name());
        context.open(&[path.display().to_string()])
    };
    let mut training = open(Split::Training)?;
    let mut splits = [("validation", Split::Validation), ("test", Split::Testing)]
        .map(|(name, split)| open(split).map(|source| (name.to_owned(), source)))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let reproduction = reproduce(&context.engine, &mut training, &mut splits, args.seeds).await?;
    context.show(&reproduction)
}

impl Outcome for Reproduction {
    const FORMAT: JsonFormat = json::REPRODUCTION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Recipe {RECIPE}, contamination {CONTAMINATION}, {} forests trained on {} events.\n",
            self.seeds,
            count(self.training_events)
        )?;
        let header = [
            "split",
            "label",
            "events",
            "labelled",
            "AUROC, hard labels averaged",
            "AUROC, scores averaged",
        ];
        let mut results = TextTable::new(header, 2..6);
        for split in &self.splits {
            for label in &split.labels {
                results.add_row([
                    split.split.clone(),
                    label.label.clone(),
                    count(split.events),
                    count(label.positives),
                    defined(label.roc_auc_hard),
                    defined(label.roc_auc_scores),
                ]);
            }
        }
        writeln!(out, "{results}\n")?;
        writeln!(
            out,
            "Published for BETH's test split against sus (Highnam et al. 2021, Table 3; hard labels, 5 seeds):"
        )?;
        let mut published = TextTable::new(["method", "AUROC"], [1]);
        for (method, auroc) in TABLE_3 {
            published.add_row([method.to_owned(), format!("{auroc:.3}")]);
        }
        writeln!(out, "{published}\n")?;
        self.splits
            .iter()
            .try_for_each(|split| writeln!(out, "{}", distance(split)))
    }
}

/// Returns a sentence that says how far a split is from the training data.
fn distance(split: &SplitResult) -> String {
    let far = Closeness::of(split.total_variation, 0.1, 0.3);
    format!(
        "The {} split is {far}: the total variation distance between their feature rows is {}, and {} of its events have \
         a feature row that no training event has.",
        split.split,
        percent(split.total_variation),
        percent(split.unseen)
    )
}
