//! The text of PDF files.
//!
//! Files may be damaged, or made to be: they are read in a thread of their
//! own, whose panics end it alone, and which is left behind when it is stopped
//! or takes too long.

use super::chunk::Fault;
use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::object::Dict;
use hayro_interpret::hayro_syntax::{LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, interpret_page,
};
use smallmind_abstractions::CancellationToken;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long may pass before a look at the token.
const LOOK: Duration = Duration::from_millis(5);

/// The most text of a page, in bytes.
const MOST: usize = 4 << 20;

/// Objects may stand in each other many times over.
const STACK: usize = 16 << 20;

/// The text of each page.
pub(super) fn pages(bytes: Vec<u8>, cancel: &CancellationToken) -> Result<Vec<String>, Fault> {
    let stop = cancel.child();
    let result = within(bytes, &stop);
    // Whatever is left of the thread ends soon.
    stop.cancel();
    result
}

fn within(bytes: Vec<u8>, stop: &CancellationToken) -> Result<Vec<String>, Fault> {
    let (send, receive) = sync_channel(1);
    let token = stop.clone();
    let work = move || read(bytes, &token, &send);
    let thread = thread::Builder::new().name("pdf".to_owned()).stack_size(STACK).spawn(work);
    let thread = thread.map_err(|e| Fault::Bad(e.to_string()))?;
    let mut pages = Vec::new();
    while let Some(page) = next(&receive, stop)? {
        pages.push(page);
    }
    match thread.join() {
        Ok(Ok(())) => Ok(pages),
        Ok(Err(reason)) => Err(Fault::Bad(reason)),
        Err(_) => Err(Fault::Bad("it is damaged: its reader gave up".to_owned())),
    }
}

fn next(pages: &Receiver<String>, stop: &CancellationToken) -> Result<Option<String>, Fault> {
    let start = Instant::now();
    loop {
        match pages.recv_timeout(LOOK) {
            Ok(page) => return Ok(Some(page)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => stop.check()?,
        }
        if start.elapsed() > PATIENCE {
            return Err(Fault::Bad(format!("a page of it takes more than {PATIENCE:?} to read")));
        }
    }
}

fn read(bytes: Vec<u8>, stop: &CancellationToken, send: &SyncSender<String>) -> Result<(), String> {
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => "it is encrypted".to_owned(),
        LoadPdfError::Invalid => "it is damaged, or no PDF".to_owned(),
    })?;
    let cache = InterpreterCache::new();
    for page in pdf.pages().iter() {
        // Fonts are here for the meaning of their codes: none need be drawn.
        let settings = InterpreterSettings::default();
        let bounds = Rect::new(0.0, 0.0, 1.0, 1.0);
        let mut context = Context::new(Affine::IDENTITY, bounds, &cache, pdf.xref(), settings);
        let mut text = Text::new(stop);
        interpret_page(page, &mut context, &mut text);
        if send.send(text.out).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What is written on a page, in the order in which it is drawn.
struct Text<'s> {
    stop: &'s CancellationToken,
    out: String,
    /// Where the last glyph ends.
    end: Point,
    /// Where the last run begins.
    start: Point,
    /// How deep marked content is nested in what is no text of the page, such
    /// as its number.
    artifact: usize,
}

impl<'s> Text<'s> {
    fn new(stop: &'s CancellationToken) -> Self {
        let far = Point::new(f64::NAN, f64::NAN);
        Self { stop, out: String::new(), end: far, start: far, artifact: 0 }
    }

    /// Ends the thread where nobody waits for it: this is the only way out of
    /// the interpreter.
    fn check(&self) {
        if self.stop.is_cancelled() {
            std::panic::resume_unwind(Box::new("stopped"));
        }
    }

    /// Writes what stands between the last glyph and the next.
    fn space(&mut self, next: Point, along: Vec2, size: f64) {
        let gap = next - self.end;
        let (ahead, aside) = (gap.dot(along) / size, gap.cross(along).abs() / size);
        let mark = match () {
            () if self.out.is_empty() || self.out.ends_with('\n') => return,
            () if aside > 1.8 || aside.is_nan() => "\n\n",
            () if aside > 0.5 || ahead < -2.0 => "\n",
            () if ahead > 0.15 && !self.out.ends_with(' ') => " ",
            () => return,
        };
        self.out.push_str(mark);
    }
}

impl Device<'_> for Text<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, mode: &DrawMode) {
        self.check();
        if self.artifact > 0 || self.out.len() > MOST {
            return;
        }
        for (n, glyph) in run.glyphs().iter().enumerate() {
            let place = props.transform * glyph.transform();
            let start = place * Point::ZERO;
            if n == 0 {
                // Text that is filled is drawn again where it has an outline.
                if matches!(mode, DrawMode::Stroke(_)) && start == self.start {
                    return;
                }
                self.start = start;
            }
            // Glyphs are drawn at a thousandth of their size.
            let size = (place * Point::new(0.0, 1000.0) - start).hypot();
            let along = (place * Point::new(1000.0, 0.0) - start).normalize();
            self.space(start, along, size);
            match glyph.as_unicode() {
                Some(BfString::Char(c)) if !c.is_control() => self.out.push(c),
                Some(BfString::String(text)) => {
                    self.out.extend(text.chars().filter(|c| !c.is_control()));
                }
                _ => {}
            }
            self.end = start + along * size * advance(glyph);
        }
    }

    fn begin_marked_content(&mut self, tag: &[u8], _: Option<&Dict<'_>>) {
        if tag == b"Artifact" || self.artifact > 0 {
            self.artifact += 1;
        }
    }

    fn end_marked_content(&mut self) {
        self.artifact = self.artifact.saturating_sub(1);
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {
        self.check();
    }

    fn push_clip_path(&mut self, _: &ClipPath) {
        self.check();
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.check();
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}

/// How far a glyph moves on, in ems.
fn advance(glyph: &hayro_interpret::font::Glyph<'_>) -> f64 {
    use hayro_interpret::font::Glyph;
    let width = match glyph {
        Glyph::Outline(glyph) => glyph.advance_width(),
        Glyph::Type3(glyph) => glyph.advance_width(),
    };
    f64::from(width.unwrap_or(500.0)) / 1000.0
}
