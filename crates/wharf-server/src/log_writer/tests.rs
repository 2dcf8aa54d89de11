//! A log with a reader that is slow, stopped or gone.

use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An output whose every write waits until the test permits it, and fails if the test says so.
struct Gated {
    begun: Sender<()>,
    permitted: Receiver<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

/// The test's side of it.
struct Reader {
    begun: Receiver<()>,
    permit: Sender<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The test has ended, or permits every write from now on.
        let _ = self.begun.send(());
        if let Ok(outcome) = self.permitted.recv() {
            outcome?;
        }
        self.written.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reader {
    fn wait_for_write(&self) {
        self.begun.recv_timeout(PATIENCE).expect("the thread writes");
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

/// A log that reports its losses to itself.
fn log() -> (LogWriter, Reader) {
    let (begun, begins) = mpsc::channel();
    let (permit, permitted) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let out = Gated { begun, permitted, written: Arc::clone(&written) };
    let itself: Arc<Mutex<Option<LogWriter>>> = Arc::default();
    let reported = Arc::clone(&itself);
    let report = move |lost: u64| {
        let log = reported.lock().unwrap().clone().expect("set before anything is written");
        log.append(format!("{lost} lines lost\n").as_bytes());
    };
    let log = LogWriter::start(out, Box::new(report)).unwrap();
    *itself.lock().unwrap() = Some(log.clone());
    (log, Reader { begun: begins, permit, written })
}

/// A line of a thousand bytes.
fn long_line(number: usize) -> Vec<u8> {
    format!("{number:0999}\n").into_bytes()
}

#[test]
fn lines_are_written_in_their_order_and_all_of_them_before_the_end() {
    let (log, reader) = log();
    drop(reader.permit.clone());
    let Reader { permit, written, begun: _begun } = reader;
    drop(permit);
    let expected: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    for line in expected.split_inclusive('\n') {
        log.append(line.as_bytes());
    }
    assert_eq!(log.close(PATIENCE), 0);
    assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
}

#[test]
fn what_waits_for_a_reader_is_bounded_and_what_is_dropped_is_reported_when_it_comes_back() {
    let (log, reader) = log();
    log.append(b"first\n");
    reader.wait_for_write();
    let fit = (QUEUE_BYTES - b"first\n".len()) / 1000;
    for number in 0..fit + 25 {
        log.append(&long_line(number));
    }
    assert_eq!(log.0.state().pending.len(), fit * 1000);

    drop(reader.permit.clone());
    let Reader { permit, written, begun: _begun } = reader;
    drop(permit);
    assert_eq!(log.close(PATIENCE), 0);

    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().next(), Some("first"));
    assert_eq!(text.lines().last(), Some("25 lines lost"));
    assert_eq!(text.lines().count(), 1 + fit + 1);
}

#[test]
fn the_end_does_not_wait_for_a_reader_that_never_comes() {
    let (log, reader) = log();
    log.append(b"first\n");
    reader.wait_for_write();
    log.append(b"second\nthird\n");
    assert_eq!(log.close(Duration::from_millis(1)), 3);
}

#[test]
fn an_output_that_fails_loses_its_lines_and_a_later_one_is_written() {
    let (log, reader) = log();
    log.append(b"lost\n");
    reader.wait_for_write();
    reader.permit.send(Err(ErrorKind::StorageFull.into())).unwrap();
    log.append(b"written\n");
    reader.wait_for_write();
    reader.permit.send(Ok(())).unwrap();
    // The report.
    reader.wait_for_write();
    reader.permit.send(Ok(())).unwrap();
    assert_eq!(log.close(PATIENCE), 0);
    assert_eq!(reader.text(), "written\n1 lines lost\n");
}

#[test]
fn a_reader_that_has_gone_is_not_written_to_in_a_loop() {
    let (log, reader) = log();
    log.append(b"one\n");
    reader.wait_for_write();
    reader.permit.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
    assert_eq!(log.close(PATIENCE), 1);
    assert!(reader.begun.try_recv().is_err(), "nothing more was written");
}
