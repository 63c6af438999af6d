// Grammars in EBNF: what is accepted, what is refused and why, and what a hostile one costs.
#include "grammar_tester.hpp"

#include <string>
#include <vector>

namespace troupe {
namespace {

token_constraint_ptr of_grammar(std::string_view source) {
  return compiled(small_compiler().grammar(source));
}

std::string why_not(std::string_view source) {
  const auto made = small_compiler().grammar(source);
  if (made) return "compiled";
  CHECK(made.error().why.pointer.empty());
  CHECK(made.error().why.keyword == "grammar");
  return made.error().why.reason;
}

struct row {
  const char* source;
  std::vector<std::string> good, bad;
};

void check(const std::vector<row>& table) {
  for (const row& each : table) {
    CAPTURE(each.source);
    const auto made = of_grammar(each.source);
    for (const std::string& text : each.good) CHECK_MESSAGE(accepts(made, text), text);
    for (const std::string& text : each.bad) CHECK_MESSAGE(!accepts(made, text), text);
  }
}

TEST_CASE("literals, classes and repeats") {
  check({
      {R"_(root ::= "a")_", {"a"}, {"", "b", "aa"}},
      {R"_(root ::= "\x41\u00e9\U0001F600\n\t\r\\\"")_",
       {"A\xC3\xA9\xF0\x9F\x98\x80\n\t\r\\\""},
       {"A", "A\xC3"}},
      {R"_(root ::= "\[\]\-\/\'\?")_", {"[]-/'?"}, {"\\["}},
      {R"_(root ::= 'it"s')_", {"it\"s"}, {"its"}},
      {R"_(root ::= "\x41B")_", {"AB"}, {"\xD0\x9B"}},
      {"root ::= \"a\nb\"", {"a\nb"}, {"a b"}},
      {R"_(root ::= [a-c\]x-])_", {"a", "c", "]", "x", "-"}, {"d", "b-", ""}},
      {R"_(root ::= [^a-c\n])_", {"d", "\xC3\xA9", "\xF0\x9F\x98\x80"}, {"a", "\n", "\xC3", ""}},
      {"root ::= [\xC3\xA0-\xC3\xBF]", {"\xC3\xA9"}, {"e", "\xC3\x9F", "\xC3"}},
      {R"_(root ::= [^])_", {"a", "\n"}, {""}},
      {R"_(root ::= .)_", {"a", "\n", "\xE2\x82\xAC"}, {"", "ab", "\xE2\x82", "\xED\xA0\x80"}},
      {R"_(root ::= "ab"*)_", {"", "ab", "abab"}, {"a", "abb"}},
      {R"_(root ::= "a" + "b" ?)_", {"a", "aab"}, {"b", "abb"}},
      {R"_(root ::= "a"{2} "b"{1,} "c"{0,2} "d"{0})_",
       {"aab", "aabbcc"},
       {"ab", "aac", "aabccc", "aabd"}},
      {R"_(root ::= "a"{ 1 , 2 })_", {"a", "aa"}, {"", "aaa"}},
      {R"_(root ::= ("a"{2,3}){2,2})_", {"aaaa", "aaaaaa"}, {"aaa", "aaaaaaa"}},
      {R"_(root ::= ("a"{3}){0,2})_", {"", "aaa", "aaaaaa"}, {"a", "aaaa"}},
      {R"_(root ::= "a"*?+)_", {"", "a", "aaa"}, {"b"}},
      {R"_(root ::= "")_", {""}, {"a"}},
      {R"_(root ::= () | "a" |)_", {"", "a"}, {"aa"}},
      {R"_(root ::= )_", {""}, {"a"}},
  });
}

TEST_CASE("rules, groups and line ends") {
  check({
      {"# a comment\nroot ::= a-b \"!\" # another\n\na-b ::= x_1|\"y\"\nx_1 ::= \"x\"",
       {"x!", "y!"},
       {"x", "z!"}},
      {"root ::= (\n  \"a\" # first\n  | \"b\"\n\n  \"c\"\n)", {"a", "bc"}, {"b", "ac"}},
      {"root ::= \"a\" |\n  \"b\" |\n # why\n  \"c\"", {"a", "b", "c"}, {"ab"}},
      {"root ::=\n  \"a\"\n  | \"b\"\n  \"c\"\nother ::= \"d\"", {"a", "bc"}, {"b", "d"}},
      {"root ::= \"a\"\r\nb ::= \"b\"\r\n", {"a"}, {"b"}},
      {"root ::= b\n  b ::= \"b\"", {"b"}, {"bb"}},
      {"root::=\"a\"\"b\"(\"c\")", {"abc"}, {"ab"}},
      {"1a ::= \"x\"\nroot ::= 1a 1a", {"xx"}, {"x"}},
      {"root ::= \"a\" | dead | \"b\" dead\ndead ::= \"x\" dead", {"a"}, {"x", "b", "xx"}},
      {"root ::= \"\" | \"a\" dead\ndead ::= dead", {""}, {"a"}},
  });
}

TEST_CASE("recursion, left and right, through nothing and through itself") {
  check({
      {R"_(root ::= "(" root ")" | "x")_", {"x", "(x)", "((x))"}, {"", "(x", "x)", "()"}},
      {R"_(root ::= "a" root "b" | "")_", {"", "ab", "aabb"}, {"a", "aab", "abb", "ba"}},
      {R"_(root ::= root "a" | "b")_", {"b", "baa"}, {"", "a", "ab"}},
      {R"_(root ::= root root | "a")_", {"a", "aa", "aaaaaaa"}, {"", "b"}},
      {R"_(root ::= root | "a" | root | "")_", {"", "a"}, {"aa"}},
      {"root ::= e\ne ::= e \"+\" t | t\nt ::= t \"*\" f | f\nf ::= \"(\" e \")\" | [0-9]+",
       {"1", "1+2*3", "(1+2)*(3)+4", "((12))"},
       {"", "+", "1+", "(1", "1)", "1**2", "()"}},
      {"root ::= a \"!\"\na ::= b \"x\" | \"a\"\nb ::= a \"y\" | \"b\"",
       {"a!", "bx!", "ayx!", "bxyx!"},
       {"b!", "ay!", "byx!"}},
      {"root ::= a\na ::= n a \"x\" | \"y\"\nn ::= \"\" | \"n\"",
       {"y", "yx", "nyx", "nnyxx", "nyxx"},
       {"ny", "nnyx", "x"}},
      {"root ::= a\na ::= b | \"x\"\nb ::= c | \"y\" a\nc ::= a", {"x", "yx", "yyx"}, {"", "y"}},
      {"root ::= a a\na ::= b*\nb ::= a \"x\" | \"y\"", {"", "y", "x", "yxxy"}, {"z"}},
      {R"_(root ::= (root "," | "[" root "]" | "1")+)_",
       {"1", "1,1,[1]", "[11]"},
       {",", "[]", "1]"}},
      {R"_(root ::= "x" root | "x" root "y" | "")_",
       {"", "xxx", "xxy", "xxyy"},
       {"y", "xyy", "yx"}},
      {R"_(root ::= "a" root "a" | "b" root "b" | "a" | "b" | "")_",
       {"", "abba", "ababa", "bbbbbbb", "aabbaa"},
       {"ab", "abab", "aabaab"}},
      {R"_(root ::= ("[" root "]"){2,3} | "x")_",
       {"x", "[x][x]", "[x][x][[x][x]]"},
       {"[x]", "[x][x][x][x]", "[[x]][x]"}},
      {R"_(root ::= ("[" root "]"){0,2})_", {"", "[]", "[][[][]]"}, {"[][][]", "["}},
      {R"_(root ::= ("[" root "]"){2,} | "")_",
       {"", "[][]", "[[][]][][]"},
       {"[]", "[[]][]", "[][][[]]"}},
  });
}

const char* const json_source = R"_(
# RFC 8259
root   ::= ws value ws
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( member ( ws "," ws member )* ws )? "}"
member ::= string ws ":" ws value
array  ::= "[" ws ( value ( ws "," ws value )* ws )? "]"
string ::= "\"" ( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ( "0" | [1-9] [0-9]* ) ( "." [0-9]+ )? ( [eE] [-+]? [0-9]+ )?
ws     ::= [ \t\n\r]*
)_";

TEST_CASE("well-known grammars") {
  check({
      {"root ::= (expr \"=\" [ ]* term \"\\n\")+\nexpr ::= term ([-+*/] term)*\n"
       "term ::= ident | num | \"(\" [ ]* expr \")\" [ ]*\n"
       "ident ::= [a-z] [a-z0-9_]* [ ]*\nnum ::= [0-9]+ [ ]*\n",
       {"a+1=2\n", "x = 3\n(b*(c -1))/2=y9\n"},
       {"a+=2\n", "(a=1\n", "1\n"}},
      {"root ::= item+\nitem ::= \"- \" [^\\r\\n]+ \"\\n\"\n",
       {"- one\n- two and \xC3\xBC\n"},
       {"", "- \n", "one\n", "- one"}},
      {"root ::= (\"1. \" move \" \" move \"\\n\" ([1-9] [0-9]? \". \" move \" \" move \"\\n\")+)\n"
       "move ::= (pawn | piece | castle) [+#]?\npiece ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] "
       "[1-8]\n"
       "pawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBKQR])?\ncastle ::= \"O-O\" \"-O\"?\n",
       {"1. e4 e5\n2. Nf3 Nc6\n3. Bb5 a6\n4. O-O Nxe4\n", "1. d4 d5\n2. dxe5 e1=Q#\n"},
       {"1. e4 e5\n", "1. e9 e5\n2. e4 e5\n", "2. e4 e5\n2. e4 e5\n"}},
  });
}

TEST_CASE("a language like C") {
  const auto made = of_grammar(R"_(
root       ::= (function ws)+
function   ::= type " " name "(" (type " " name ("," ws type " " name)*)? ")" ws block
type       ::= "int" | "float" | "char"
name       ::= [a-zA-Z_] [a-zA-Z_0-9]*
block      ::= "{" ws (statement ws)* "}"
statement  ::= block | type " " name " = " expression ";" | expression ";"
             | "return " expression ";"
             | "if (" expression ")" ws statement
             | "if (" expression ")" ws statement ws "else " statement
             | "while (" expression ")" ws statement
expression ::= unary " = " expression | either
either     ::= both | either " || " both
both       ::= equal | both " && " equal
equal      ::= less | equal " == " less
less       ::= sum | less " < " sum
sum        ::= product | sum " + " product | sum " - " product
product    ::= unary | product " * " unary | product " / " unary
unary      ::= postfix | [-!] unary
postfix    ::= primary | postfix "(" (expression ("," ws expression)*)? ")"
             | postfix "[" expression "]"
primary    ::= name | [0-9]+ | "(" expression ")"
ws         ::= [ \n]{0,40}
)_");
  CHECK(
      accepts(made, "int main() {\n  int x = 1 + 2 * y;\n  x = y = f(x, 3)[0];\n  return -x;\n}"));
  CHECK(accepts(made,
                "int f(int a, char b) {\n  if (a < b && !b) return 1; else if (a == 2) {}\n"
                "  while ((a)) a = a - 1;\n}\n"));
  CHECK_FALSE(accepts(made, "int main() { x = ; }"));
  CHECK_FALSE(accepts(made, "int main() { 1 + ; }"));
  CHECK_FALSE(accepts(made, "int main() { if (x) }"));
  // Each parenthesis may belong to a sum or to the left side of an assignment.
  const std::string deep = std::string(60, '(') + "x" + std::string(60, ')');
  CHECK(accepts(made, "int f() { " + deep + " = " + deep + "; }"));
  std::string nested = "x = 1;";
  for (int i = 0; i < 40; ++i) nested = "if (x) " + nested + " else y = 2;";
  CHECK(accepts(made, "int f() { if (a) if (b) " + nested + " }"));
  CHECK(walk_and_count_errors(made, 5, 25) == 0);
}

TEST_CASE("JSON as a grammar agrees with JSON") {
  const auto made = of_grammar(json_source);
  const auto any = compiled(small_compiler().any_json());
  for (const char* text :
       {"0", "{\"a\": [1, {\"b\": null}], \"\\u001f\":\"\xC3\xA9\"}", "[[[]]]"}) {
    CHECK(accepts(made, text));
    CHECK(accepts(any, text));
  }
  CHECK(walk_and_count_errors(made, 3, 30) == 0);
  const std::string folder = "jsonschema/JSONTestSuite/test_parsing";
  if (!has_shared(folder)) return;
  std::size_t num_files = 0;
  for (const auto& file : std::filesystem::directory_iterator(shared_data() / folder)) {
    const std::string name = file.path().filename().string();
    CAPTURE(name);
    const std::string text = read_shared(folder + "/" + name);
    if (name.starts_with("y_")) CHECK(accepts(made, text));
    if (name.starts_with("n_")) CHECK_FALSE(accepts(made, text));
    if (accepts(any, text)) CHECK(accepts(made, text));
    ++num_files;
  }
  CHECK(num_files > 250);
}

TEST_CASE("lists do not nest, whichever side they recurse on") {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "ab,";
  for (const char* source :
       {"root ::= item root | item\nitem ::= \"(\" root \")\" | \"ab,\"",
        "root ::= root item | item\nitem ::= \"(\" root \")\" | \"ab,\"",
        "root ::= item+\nitem ::= \"(\" root \")\" | \"ab,\"",
        "root ::= item rest\nrest ::= root | \"\"\nitem ::= \"(\" root \")\" | \"ab,\"",
        "root ::= root root | item\nitem ::= \"(\" root \")\" | \"ab,\""}) {
    CAPTURE(source);
    CHECK(accepts(of_grammar(source), text));
    CHECK(accepts(of_grammar(source), "(ab,ab,)" + text));
  }
}

// Where nothing may be opened any more, everything that is open can be closed.
TEST_CASE("nesting ends where it can still be closed") {
  struct nest {
    const char *source, *open, *middle, *close;
  };
  for (const nest& each :
       {nest{R"_(root ::= "(" root ")" | "x")_", "(", "x", ")"},
        nest{"root ::= a\na ::= \"(\" b | \"x\"\nb ::= c \")\"\nc ::= a", "(", "x", ")"},
        nest{"root ::= \"[\" a \"]\" | \"x\"\na ::= \"y\" | \"(\" b \")\"\nb ::= \"<\" root \">\"",
             "[(<", "x", ">)]"}}) {
    CAPTURE(each.source);
    const auto made = of_grammar(each.source);
    const auto& grammar = bytes_of(made);
    grammar::thread_set at = grammar.begin();
    std::size_t depth = 0;
    while (grammar.accept(at, each.open)) ++depth;
    CHECK(depth > 300);
    CHECK(depth <= 1'024);
    CHECK(count_mask_errors(grammar, at) == 0);
    grammar::thread_set inside = at;
    if (!grammar.accept(inside, each.middle)) {  // less than all of `open` still fits
      for (std::size_t i = 1; i < std::string_view(each.open).size(); ++i) {
        grammar::thread_set partly = at;
        const std::string_view most = std::string_view(each.open).substr(0, i);
        if (!grammar.accept(partly, most)) break;
        bool goes_on = false;
        for (int byte = 0; byte < 256; ++byte) {
          grammar::thread_set next = partly;
          const char c = static_cast<char>(byte);
          goes_on = goes_on || grammar.accept(next, {&c, 1});
        }
        CHECK(goes_on);
      }
    }
    CHECK(grammar.accept(at, each.middle));
    for (std::size_t i = 0; i < depth; ++i) CHECK(grammar.accept(at, each.close));
    CHECK(grammar.may_end(at));
  }
}

TEST_CASE("what is no grammar is refused with the place and the reason") {
  struct refusal {
    const char *source, *why;
  };
  for (const refusal& each : std::vector<refusal>{
           {"", "has no rule named root, with which every answer begins"},
           {"a ::= \"x\"", "has no rule named root, with which every answer begins"},
           {"root ::= a", "line 1, column 10: rule a is not defined"},
           {"root ::= \"x\"\nroot ::= \"y\"",
            "line 2, column 1: rule root is defined again, first at line 1, column 1"},
           {"root := \"x\"", "line 1, column 6: expected ::= after the rule's name, found :"},
           {"root ::= \"x\"\nb = \"y\"", "line 2, column 3: expected an element, found ="},
           {"::= \"x\"", "line 1, column 1: expected the name of a rule, found :"},
           {"root ::= \"x", "line 1, column 10: expected a closing \""},
           {"root ::= 'x\n", "line 1, column 10: expected a closing '"},
           {"root ::= [a", "line 1, column 10: expected a closing ]"},
           {"root ::= []", "line 1, column 10: expected a class with a character in it"},
           {"root ::= [\\d]", "line 1, column 11: expected ranges: there is no class \\d"},
           {"root ::= [z-a]", "line 1, column 11: expected the end of a range after its beginning"},
           {"root ::= \"\xC3\xA9\\q\"", "line 1, column 12: expected a known escape, found \\q"},
           {"root ::= \"\\x4\"", "line 1, column 14: expected 2 hexadecimal digits, found \""},
           {"root ::= \"\\ud800\"",
            "line 1, column 11: expected a character, found half a surrogate pair"},
           {"root ::= \"\\U00110000\"", "line 1, column 11: expected a code point up to U+10FFFF"},
           {"root ::= (\"a\"\n",
            "line 2, column 1: expected the ) of the ( at line 1, column 10, "
            "found the end"},
           {"root ::= \"a\")", "line 1, column 13: expected an element, | or a new rule, found )"},
           {"root ::= * \"a\"", "line 1, column 10: expected an element before *"},
           {"root ::= \"a\"{,3}", "line 1, column 14: expected a number after {, found ,"},
           {"root ::= \"a\"{2,1}", "line 1, column 13: expected {m,n} with n no less than m"},
           {"root ::= \"a\"{2",
            "line 1, column 15: expected the } of {m}, {m,} or {m,n}, found "
            "the end"},
           {"root ::= \"a\"{65537}", "line 1, column 14: a repeat counts higher than 65,536"},
           {"root ::= a b ::= \"x\"",
            "line 1, column 14: expected the name before ::= to be the first of its line"},
           {"root ::= <think> \"a\"",
            "line 1, column 10: tokens as <name> or !<name> are not supported, only text"},
           {"root ::= \"a\" (= \"b\")", "line 1, column 14: look-ahead as (= ) is not supported"},
           {"root ::= TagDispatch((\"a\", b))",
            "line 1, column 10: the macro TagDispatch is not supported"},
           {"root ::= \"\xFF\"", "line 1, column 11: expected valid UTF-8"},
           {"root ::= root", "rule root has no finite text"},
           {"root ::= a\na ::= \"x\" b\nb ::= a | \"y\" b", "rule root has no finite text"},
           {"root ::= (root \"x\"){2,3} | \"y\"",
            "left recursion through a counted repeat is not supported: root -> root"}}) {
    CAPTURE(each.source);
    CHECK(why_not(each.source) == each.why);
  }
}

std::string many(int count, const std::string& before, const std::string& after = "") {
  std::string out;
  for (int i = 0; i < count; ++i) out += before;
  for (int i = 0; i < count; ++i) out += after;
  return out;
}

std::string rule_name(int i) {
  std::string out = "r";
  return out.append(std::to_string(i));
}

TEST_CASE("hostile grammars are refused, or cost no more than others") {
  CHECK(why_not(std::string(1U << 20U, ' ')) == "is longer than 256 KiB");
  CHECK(why_not("root ::= " + many(300, "(", ")")).ends_with("groups are nested deeper than 256"));
  CHECK(why_not("root ::= \"a\"" + many(600, "{65536}"))
            .ends_with("groups and repeats are nested deeper than 512"));
  CHECK(accepts(of_grammar("root ::= \"a\"" + many(5'000, "*+?")), "aaa"));
  std::string rules = "root ::= r1\n";
  for (int i = 1; i <= 10'000; ++i) rules += rule_name(i) + " ::= \"x\"\n";
  CHECK(why_not(rules).ends_with("there are more than 10,000 rules"));

  std::string chain = "root ::= r0\n", doubled = chain, choices = chain;
  for (int i = 0; i < 9'000; ++i) {
    const std::string name = rule_name(i), next = rule_name(i + 1);
    chain += name + " ::= " + next + "\n";
    if (i < 60) doubled += name + " ::= " + next + " " + next + "\n";
    if (i < 60) choices += name + " ::= " + next + " | \"x\" " + next + "\n";
  }
  CHECK(accepts(of_grammar(chain + "r9000 ::= \"x\""), "x"));
  CHECK(why_not(chain + "r9000 ::= \"x\" root | \"y\"") ==
        "more than 1,024 rules begin with one another");
  const std::string twice = why_not(doubled + "r60 ::= \"x\"");
  CHECK((twice == "compiled" || twice == "needs too many automaton states"));
  CHECK(accepts(of_grammar(choices + "r60 ::= \"y\""), "xxxy"));
  CHECK(accepts(of_grammar(choices + "r60 ::= \"y\" | \"(\" root \")\""), "xx(xxxy)"));

  const auto cube = of_grammar("root ::= ((\"a\"{1000}){1000}){1000}");
  CHECK(walk_and_count_errors(cube, 1, 5) == 0);
  const std::string optional = "\na ::= \"x\"? | \"(\" a \")\"";
  CHECK(why_not("root ::= " + many(600, "a ") + optional) ==
        "a sequence has more than 512 recursive parts that may be empty");
  const auto options = of_grammar("root ::= " + many(500, "a ") + optional);
  CHECK(accepts(options, "xx((x))(x)x"));
  CHECK(accepts(of_grammar("root ::= ([ab]* \"a\" [ab]{41} | root \"c\")"), many(60, "ab") + "c"));
}

TEST_CASE("masks hold exactly the tokens that the acceptor takes") {
  for (const char* source :
       {"root ::= root \"+\" root | root \"*\" root | \"(\" root \")\" | [a-z]+ | [0-9]{1,3}",
        "root ::= \"the \" root | [a-z]* \" \" root \" end\" | \"\"",
        "root ::= (\"a\" root \"b\"){2,3} | \"in\" | \"inner\" root?",
        "root ::= word (\" \" word)* \".\"\nword ::= [A-Za-z\xC3\xA0-\xC3\xBF]+ | \"<\" root "
        "\">\""}) {
    CAPTURE(source);
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      CHECK(walk_and_count_errors(of_grammar(source), seed, 20) == 0);
    }
  }
}

TEST_CASE("readings that cannot all be followed end with an error, none is dropped") {
  const auto made = of_grammar("root ::= root root root | root root | \"a\" | \"\"");
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  std::size_t length = 0;
  const auto feed = [&] {
    for (; length < 1'000; ++length) {
      const bool is_taken = grammar.accept(at, "a");
      CHECK(is_taken);  // as long as it answers, it is right
    }
  };
  CHECK_THROWS_AS(feed(), std::length_error);
}

// The mask after so many bytes, and none where the grammar cannot say it.
std::vector<std::uint32_t> mask_at(const grammar::compiled_grammar& grammar,
                                   const grammar::thread_set& at) {
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  try {
    (void)grammar.fill(at, mask);
  } catch (const std::length_error&) {
    mask.clear();
  }
  return mask;
}

TEST_CASE("a mask that cannot be followed fails for whoever asks, however often") {
  const char* source = "root ::= root root root | root root | [a-z] | \"\"";
  const auto made = of_grammar(source);
  const auto fresh = of_grammar(source);
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  grammar::thread_set alone = bytes_of(fresh).begin();
  int num_failed = 0;
  for (int length = 0; length < 55; ++length) {
    if (length == 20 || length > 50) {
      const auto mask = mask_at(grammar, at);
      num_failed += mask.empty() ? 1 : 0;
      CHECK(mask_at(grammar, at) == mask);
      CHECK(mask_at(bytes_of(fresh), alone) == mask);  // whose places nobody came to before
    }
    REQUIRE(grammar.accept(at, "a"));
    REQUIRE(bytes_of(fresh).accept(alone, "a"));
  }
  CHECK(num_failed > 0);
  CHECK(num_failed < 5);
}

TEST_CASE("what one answer asks leaves nothing behind for another") {
  const auto made = of_grammar("root ::= root root root | root root | \"a\" | \"\"");
  const auto& grammar = bytes_of(made);
  const grammar::thread_set start = grammar.begin();
  const auto calm = mask_at(grammar, start);
  REQUIRE(!calm.empty());
  grammar::thread_set edge = start;  // beyond which it cannot be followed
  const auto go_to_edge = [&] {
    while (grammar.accept(edge, "a")) continue;
  };
  CHECK_THROWS_AS(go_to_edge(), std::length_error);
  const auto check_calm = [&] {
    CHECK(mask_at(grammar, start) == calm);
    CHECK(grammar.forced_tokens(start).empty());
  };
  check_calm();
  CHECK_THROWS_AS((void)grammar.may_go_on(edge), std::length_error);
  check_calm();
  CHECK_THROWS_AS((void)grammar.may_end(edge), std::length_error);
  check_calm();
  CHECK_THROWS_AS((void)grammar.forced_tokens(edge), std::length_error);
  check_calm();
}

TEST_CASE("an ambiguous list costs places, not readings") {
  const auto made = of_grammar("root ::= w+\nw ::= [a-z]+ | w w");
  CHECK(accepts(made, std::string(3'000, 'a')));
  CHECK(!accepts(made, std::string(3'000, 'a') + "!"));
  CHECK(walk_and_count_errors(made, 1, 8) == 0);
}

}  // namespace
}  // namespace troupe
