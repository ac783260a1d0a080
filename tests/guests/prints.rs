//! Prints: on both outputs, with escape sequences and several lines at once, and far too much.

sluice_guests::misbehaves!(print);

fn print() {
    println!("printed on stdout");
    eprintln!("printed on stderr");
    println!("\u{1b}[31mred\u{1b}[0m");
    println!("first of two\nsecond of two");
    print!("without a line feed");
    for number in 0..1000 {
        println!("flood {number}");
    }
}
