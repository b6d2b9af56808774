//! `honeyguide man`.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;
use honeyguide::output::{PendingFile, create_folder};
use honeyguide::{Error, is_url};

use crate::args::{Args, Man};
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{of_them, printable};

pub fn run(context: &Context, args: Man) -> Result<(), Failure> {
    let pages = pages();
    if let Some(folder) = args.out {
        return write_all(context, &folder, pages);
    }
    let name = match &args.command {
        Some(command) => format!("honeyguide-{command}"),
        None => "honeyguide".to_owned(),
    };
    let page = pages.iter().find(|page| name_of(page) == name);
    let page = page.ok_or_else(|| {
        let what = args.command.unwrap_or_default();
        Error::usage(format!("there is no command `{what}`"))
            .hint("honeyguide --help lists the commands")
    })?;
    context.write(|out| Page::new(page.clone()).render(out))
}

/// Returns honeyguide and all commands. Their display names are those of their pages, such as `honeyguide-train`.
fn pages() -> Vec<Command> {
    fn add(command: &Command, pages: &mut Vec<Command>) {
        let subcommands = command.get_subcommands();
        for subcommand in subcommands.filter(|command| command.get_name() != "help") {
            add(subcommand, pages);
        }
        pages.push(command.clone());
    }
    let mut whole = Args::command();
    // This makes the display names, and hands the options that all commands take down to the commands.
    whole.build();
    let mut pages = Vec::new();
    add(&whole, &mut pages);
    pages
}

/// Returns the name of a command's page.
fn name_of(page: &Command) -> &str {
    page.get_display_name().unwrap_or(page.get_name())
}

fn write_all(context: &Context, folder: &Path, pages: Vec<Command>) -> Result<(), Failure> {
    if !is_url(&folder.to_string_lossy()) {
        create_folder(folder)?;
    }
    let n_pages = pages.len() as u64;
    for page in pages {
        let path = folder.join(format!("{}.1", name_of(&page)));
        let mut file = PendingFile::create(context.destination(&path)?)?;
        let written = Page::new(page).render(&mut file);
        written.map_err(|error| Error::io("write", file.path(), error))?;
        file.finish()?;
    }
    context.write(|out: &mut dyn Write| {
        let (pages, folder) = (
            of_them(n_pages, "page", "pages"),
            folder.display().to_string(),
        );
        writeln!(out, "{pages} written to {}", printable(&folder))
    })
}
