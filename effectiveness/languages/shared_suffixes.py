r"""Endings that several languages share: what in the text tells them apart.

For each ending the languages in the order in which they are tried, each with a regular expression that is looked for in
the head of the text; the last one needs none. Where it has one, too, and nothing is found, no language is told.
Every expression begins at a line's start or with a fixed word and repeats nothing over line ends, so that a
text of any kind is searched in linear time. Endings that are shared and not named here go to the language that
`effectiveness/languages/__init__.py` puts first.
"""

from __future__ import annotations

import re
from functools import cache

HEAD_BYTES = 32 << 10
ANY = b""
_XML = rb"\A\s{0,99}<(?:\?xml|!DOCTYPE)"
_C_LINES = rb"^[ \t]*#[ \t]*(?:include|define|if|ifdef|ifndef|endif|undef|pragma|error)\b"
_CXX_STD = (
    rb"^[ \t]*#[ \t]*include[ \t]*<(?:string|vector|map|set|list|array|deque|queue|stack|memory|utility|tuple|functional|"
    rb"algorithm|type_traits|iostream|i?o?f?s?stream|c[a-z]+|unordered_[a-z]+|initializer_list|optional|mutex|atomic)>"
)
_CXX = (
    rb"^[ \t]*(?:class[ \t]+[A-Za-z_][\w: \t<>,]*(?:[{;]|$)|(?:inline[ \t]+)?namespace(?:[ \t]+[\w:]+)?[ \t]*(?:\{|$)"
    rb"|using[ \t]+(?:namespace[ \t]|\w+[ \t]*=)|template[ \t]*<|(?:public|private|protected)[ \t]*:"
    rb"|(?:virtual|explicit|friend|constexpr|typename)[ \t])|\bstd::\w|\bstatic_cast<|^[ \t]*#[ \t]*include[ \t]*<\w+\.hpp>|"
    + _CXX_STD
)
_OBJECTIVE_C = (
    rb"^[ \t]*(?:@(?:interface|class|protocol|property|end|implementation|import|synthesize|optional|required)\b"
    rb"|#import[ \t]+[<\"])|\bNS_(?:ENUM|OPTIONS|ASSUME_NONNULL_BEGIN)\b"
)
_PERL = rb"\A#!.*perl|^[ \t]*(?:use[ \t]+(?:strict|warnings|v?5|[A-Z][\w:]+)\b|package[ \t]+\w|sub[ \t]+\w|(?:my|our)[ \t]*[$@%(])"
_RAKU = rb"\A#!.*(?:raku|perl6)|^[ \t]*(?:use[ \t]+v6|unit[ \t]+(?:class|module|role|grammar)\b)"
_RAKU_HABITS = (
    rb"^[ \t]*(?:(?:my[ \t]+)?(?:class|role|grammar|module)[ \t]+\w[\w:-]*[ \t]*(?:is[ \t]|does[ \t]|\{|;)"
    rb"|(?:multi|method)[ \t]+[\w-]+|has[ \t]+[$@%]|plan[ \t]+\d+;)|\b(?:is-deeply|lives-ok|dies-ok|throws-like)\b"
)
_STRICT_PERL = (
    rb"\A#!.*perl\b|^[ \t]*(?:use[ \t]+(?:strict|warnings|v?5)\b|package[ \t]+[\w:]+[ \t]*(?:;|\{)|__END__)"
)
_PROLOG = rb"^:-|^[ \t]*[a-z][^#\"'%\n]{0,200}:-|^[a-z]\w*\([^\n]{0,200}\)\.[ \t]*$"
_FORTH = rb"^: [^\n]|^\\ |^\( "
_GERBER = rb"^(?:[DGMT]\d\d\*|G0\d|%[A-Z]{2}.*\*%)"
_VB_FORM = rb"\A\s{0,9}VERSION \d\.\d"
_VBA = rb"^[ ]*Attribute VB_Name|\b(?:Workbooks?|Worksheets?|ActiveSheet|ThisWorkbook|PtrSafe|VBA7)\b"
_MAN = rb"^[.'][ \t]*(?:TH|Dd|Dt|Sh)\b"
_ROFF = rb"^[.'][ \t]*(?:[A-Za-z]{1,2}\b|\\\")"
_M68K = rb"^[ \t]*(?:\w+:?[ \t]+)?(?:move[mpq]?\.[bwl]|moveq|dbra|movem\.[bwl])\b"
_MANUAL = (("Roff Manpage", _MAN), ("Roff", _ROFF))
_SHELL = rb"\A#!.*\b(?:ba|da|k|z)?sh\b"

# An ending -> (language, what is looked for), the first that is found.
RULES: dict[str, tuple[tuple[str, bytes], ...]] = {
    ".as": (("AngelScript", rb"^[ \t]*(?:#include|(?:const[ \t]+)?\w+@|shared[ \t]|\w+[ \t]*&(?:in|out)|void[ \t])"), ("ActionScript", ANY)),
    ".asc": (("Public Key", rb"^(?:-----BEGIN|ssh-(?:rsa|dss))"), ("AGS Script", rb"^[ \t]*(?:(?:import|export)[ \t]+)?(?:function|int|float|char)[ \t]+\w+[ \t]*[;(]"), ("AsciiDoc", ANY)),
    ".asm": (("Motorola 68K Assembly", _M68K), ("Assembly", ANY)),
    ".asy": (("LTspice Symbol", rb"^SymbolType[ \t]"), ("Asymptote", ANY)),
    ".b": (("Limbo", rb"^[ \t]*implement[ \t]|:[ \t]*module[ \t]*\{"), ("B", rb"^[ \t]*(?:extrn|auto|goto)\b"), ("Brainfuck", rb"[-+<>.,\[\]]{6}")),
    ".bas": (
        ("B4X", rb"B4[JARi]=true"),
        ("FreeBASIC", rb"^[ \t]*(?:#(?:include|lang|define|ifdef|ifndef|if|macro|pragma)\b|[Dd]im (?:shared )?\w+ as \w+ ptr)"),
        ("VBA", _VBA),
        ("Visual Basic 6.0", rb"^Attribute VB_|^[ \t]*Option Explicit"),
        ("QuickBASIC", rb"^[ \t]*(?:DECLARE (?:SUB|FUNCTION)|DIM SHARED|OPTION _EXPLICIT|DEFINT|CONST|CLS|_[A-Z]+|SUB |REDIM |PRINT )"),
        ("BASIC", ANY),
    ),
    ".bb": (("BlitzBasic", rb"^[ \t]*;|\bEnd Function\b"), ("Clojure", rb"^[ \t]*\("), ("BitBake", ANY)),
    ".bf": (("Beef", rb"^[ \t]*using[ \t]"), ("HyPhy", rb"^[ \t]*#include|\bfprintf[ \t]*\("), ("Befunge", rb"\A\s{0,99}[^\n]*[v^_|\"@]"), ("Brainfuck", ANY)),
    ".bi": (("FreeBASIC", rb"^[ \t]*#\w|\bas \w+ ptr\b"), ("QuickBASIC", ANY)),
    ".brd": (("Eagle", _XML), ("KiCad Legacy Layout", ANY)),
    ".bs": (("Bikeshed", rb"^<pre[ \t]+class"), ("Bluespec BH", rb"^package[ \t]+\w+[ \t]*(?:\(|where|$)"), ("BrighterScript", ANY)),
    ".bst": (("BibTeX Style", rb"\bENTRY\b|^(?:FUNCTION|INTEGERS|MACRO)\b"), ("BuildStream", ANY)),
    ".cairo": (("Cairo Zero", rb"^[ \t]*%(?:lang|builtins)[ \t]|^from starkware\.|^func "), ("Cairo", ANY)),
    ".cake": (("CoffeeScript", rb"^[ \t]*(?:task[ \t]+['\"]|\w+[ \t]*=[ \t]*require[ \t(])|->[ \t]*$"), ("C#", ANY)),
    ".cfg": (("HAProxy", rb"^(?:global|defaults|frontend|backend|listen)\b[^=\n]*$"), ("INI", ANY)),
    ".ch": (("xBase", rb"^[ \t]*#[ \t]*(?:command|xcommand|translate|xtranslate|define|ifndef|include)"), ("Charity", ANY)),
    ".cl": (("Cool", rb"^(?:\(\*|[Cc][Ll][Aa][Ss][Ss]\b)"), ("Common Lisp", rb"^[ \t]*(?:\(|;)"), ("OpenCL", ANY)),
    ".cls": (
        ("VBA", _VB_FORM + rb" CLASS\s{1,9}BEGIN\s{1,9}MultiUse = -1[^\n]*\s{1,9}END"),
        ("Visual Basic 6.0", _VB_FORM),
        ("TeX", rb"^[ \t]*\\(?:NeedsTeXFormat|ProvidesClass|LoadClass|documentclass)|^%%"),
        ("ObjectScript", rb"^(?:Include |Import |Class )[\w%.]+"),
        ("OpenEdge ABL", rb"^[ \t]*(?:[Cc][Ll][Aa][Ss][Ss]|[Ii][Nn][Tt][Ee][Rr][Ff][Aa][Cc][Ee])[ \t][^\n{;]*:[ \t]*\r?$|^[ \t]*(?:USING|using) [\w.]+(?:\*)?(?: FROM [A-Z]+)?\."),
        ("Apex", ANY),
    ),
    ".cmp": (("Gerber Image", _GERBER),),
    ".cp": (("Component Pascal", rb"^[ \t]*MODULE\b"), ("C++", ANY)),
    ".cs": (("Smalltalk", rb"![\w \t]+ methodsFor:"), ("C#", ANY)),
    ".csl": (("XML", _XML), ("Kusto", ANY)),
    ".cue": (("Cue Sheet", rb"^[ \t]*(?:REM|PERFORMER|TITLE|FILE|TRACK|CATALOG)[ \t]"), ("CUE", ANY)),
    ".d": (
        ("Bash", _SHELL),
        ("DTrace", rb"^(?:#pragma[ \t]+D[ \t]|#!.*dtrace|[\w$]*:[\w$*]*:[^:\n]*:[\w-]*[ \t]*,?$|(?:BEGIN|END|tick-\w+|profile-\w+)[ \t]*$|provider[ \t])"),
        ("D", rb"^[ \t]*(?:module|import|unittest|version|alias|struct|class|void|int|string|private|public|static|immutable|@safe|auto)\b"),
        ("Make", rb"^[^\s:#][^:\n]*:(?:[ \t]|$)"),
        ("D", ANY),
    ),
    ".ddl": (("PLSQL", rb"(?i)\b(?:varchar2|sysdate|nextval|tablespace)\b"), ("SQL", ANY)),
    ".dsc": (("Debian Package Control File", rb"^(?:Format|Source|-----BEGIN PGP)[: ]"), ("DenizenScript", ANY)),
    ".dsp": (("Microsoft Developer Studio Project", rb"^# Microsoft"), ("Faust", ANY)),
    ".e": (
        ("Euphoria", rb"^[ \t]*(?:namespace|(?:public[ \t]+)?include|(?:public|export|global)[ \t]+(?:function|procedure|constant|type)|procedure)[ \t]"),
        ("Eiffel", rb"^[ \t]*(?:note|indexing|class|deferred class|expanded class|feature|inherit|create)\b"),
        ("E", ANY),
    ),
    ".ecl": (("ECLiPSe", rb"^[^#\n]*:-"), ("ECL", ANY)),
    ".es": (("Erlang", rb"\A#!.*escript|^[ \t]*%%|^main\("), ("JavaScript", ANY)),
    ".ex": (("Elixir", rb"^[ \t]*def(?:module|protocol|impl|p)?[ \t]"), ("Euphoria", rb"^[ \t]*(?:end[ \t]+(?:function|procedure|if|for)\b|(?:public[ \t]+)?include[ \t]+\w+(?:/\w+)*\.e\b|namespace[ \t])"), ("Elixir", ANY)),
    ".f": (("Forth", rb"^: [^\n]"), ("Filebench WML", rb"\bflowop\b"), ("Fortran", ANY)),
    ".for": (("Forth", rb"^: [^\n]"), ("Fortran", rb"^(?:[cC*!]|[ \t]+[A-Za-z!])"), ("Formatted", ANY)),
    ".fpp": (("FPP", rb"^[ \t]*(?:(?:active|passive|queued)[ \t]+component|instance[ \t]+\w+[ \t]*:|(?:module|topology|enum|port|struct)[ \t]+\w+[ \t]*\{)"), ("Fortran", ANY)),
    ".fr": (("Forth", _FORTH), ("Frege", rb"^[ \t]*(?:import|module|package|data|type)[ \t]"), ("Text", ANY)),
    ".frag": (("JavaScript", rb"^[ \t]*(?:\(function|function[ \t(]|var[ \t]|//=)"), ("GLSL", ANY)),
    ".frm": (("VBA", _VB_FORM + rb"\d?\s{1,9}Begin \{"), ("Visual Basic 6.0", _VB_FORM), ("INI", ANY)),
    ".fs": (
        ("Forth", rb"^: [^\n]|^new-device"),
        ("GLSL", rb"^[ \t]*(?:#version|precision|uniform|varying|void[ \t]+main|in[ \t]+vec|out[ \t]+vec)\b"),
        ("Filterscript", rb"^[ \t]*#pragma[ \t]+(?:rs|version)|__attribute__"),
        ("F#", ANY),
    ),
    ".ftl": (("FreeMarker", rb"<[#@]|\[#|\$\{|^[ \t]*<"), ("Fluent", ANY)),
    ".fx": (("FLUX", rb"^[ \t]*(?:source|atomic|error|typedef)\b.*[:=>]|^%\w|=>"), ("HLSL", ANY)),
    ".g": (("G-code", rb"^[ \t]*[GM]\d+"), ("GAP", ANY)),
    ".gd": (("GAP", rb"\b(?:Declare[A-Z]|BindGlobal|KeyDependentOperation)"), ("GDScript", ANY)),
    ".gml": (("XML", rb"\A\s{0,99}<"), ("Graph Modeling Language", rb"^[ \t]*(?:graph|node)[ \t]*\[|^graph[ \t]*$"), ("Gerber Image", rb"^[DGMT]\d\d\*"), ("Game Maker Language", ANY)),
    ".gs": (("GLSL", rb"^[ \t]*#version"), ("Gosu", rb"^[ \t]*(?:uses[ \t]|enhancement[ \t]|package[ \t])|^[ \t]*\w* ?function \w+\([^)\n]*:[ \t]*\w"), ("Genie", rb"^\[indent=|^init[ \t]*$"), ("JavaScript", ANY)),
    ".gst": (("XML", _XML), ("Gosu", ANY)),
    ".gts": (("Gerber Image", _GERBER), ("Glimmer TS", ANY)),
    ".h": (("Objective-C", _OBJECTIVE_C), ("C++", _CXX), ("C", ANY)),
    ".hh": (("Hack", rb"\A\s{0,99}<\?hh"), ("C++", ANY)),
    ".html": (("Ecmarkup", rb"<emu-"), ("HTML", ANY)),
    ".i": (("SWIG", rb"^[ \t]*%(?:module|include|import|\{|extend|ignore|template|typemap|feature|define|rename)"), ("Motorola 68K Assembly", _M68K), ("Assembly", rb"^[ \t]*(?:\.?\w+:|;|%|\.?(?:macro|equ|include))"), ("SWIG", ANY)),
    ".ice": (("JSON", rb"\A\s{0,99}\{"), ("Slice", ANY)),
    ".inc": (
        ("PHP", rb"\A\s{0,99}(?:#!.*\n)?\s{0,99}<\?|^<\?php"),
        ("HTML", rb"\A\s{0,99}<"),
        ("Pawn", rb"^[ \t]*native[ \t].*\);[ \t]*\r?$"),
        ("SourcePawn", rb"^[ \t]*(?:#pragma (?:semicolon|newdecls)|public[ \t]+(?:Plugin|SharedPlugin|Extension)\b|methodmap\b|stock[ \t]|forward[ \t])"),
        ("POV-Ray SDL", rb"^[ \t]*#(?:declare|macro|local|version)\b"),
        ("NASL", rb"\bget_kb_item\b|\bscript_(?:id|name)\(|^include\("),
        ("Pascal", rb"(?i)^[ \t]*(?:\{\$|procedure[ \t]|unit[ \t]|uses[ \t]|implementation\b|begin\b|const\r?$|var\r?$|type\r?$|function[ \t]+\w+.*:[ \t]*\w+;)"),
        ("SQL", rb"(?i)^[ \t]*(?:select|insert|create|drop|alter|--source|--disable|connection|let \$|eval |set )\b"),
        ("C++", _C_LINES),
        ("Motorola 68K Assembly", _M68K),
        ("Assembly", rb"(?i)^[ \t]*(?:;|[.%]?(?:macro|equ|define|include|if|ifdef|endm|section|global|byte|word|org)\b|(?:mov|push|pop|lda|sta|jmp|call)\b|\w+[ \t]+(?:equ|macro|dd?|db|dw)\b|\w+[ \t]*=[ \t]*[$%\d])"),
        ("BitBake", rb"^[ \t]*(?:inherit|require|do_\w+[ \t]*\(\)|[A-Z_${}:-]+[ \t]*[?:+.]{0,2}=[ \t]*\")"),
        ("C++", rb"^[ \t]*(?://|/\*|\}|static|const)|;[ \t]*\r?$"),
    ),
    ".j": (("Objective-J", rb"^[ \t]*@(?:import|implementation)\b"), ("Jasmin", rb"^[ \t]*\.(?:class|method|source|super)\b"), ("JASS", ANY)),
    ".jq": (("JSONiq", rb"^[ \t]*(?:import module|jsoniq version|declare|for \$|let \$|return)\b"), ("jq", ANY)),
    ".k": (("KFramework", rb"^[ \t]*(?:module|requires|syntax|rule|endmodule|configuration)[ \t]"), ("KCL", ANY)),
    ".ks": (("Kickstart", rb"^[ \t]*(?:%(?:packages|post|pre|end|include)|rootpw|keyboard|bootloader|timezone|lang)\b"), ("KerboScript", ANY)),
    ".l": (("Lex", rb"^%[%{]|^%option|re2c"), ("Roff", rb"^\.[A-Za-z\\]"), ("PicoLisp", rb"\A#|^\((?:de|load|symbols) "), ("Common Lisp", rb"^[ \t]*(?:\(|;)"), ("Lex", ANY)),
    ".lean": (("Lean", rb"^(?:import[ \t]+(?:data|init|tactic|algebra|order|logic|topology|analysis|\.)|begin\b|end[ \t]*$)|:=[ \t]*begin\b|^[ \t]*begin[ \t]*$"), ("Lean 4", ANY)),
    ".lisp": (("NewLisp", rb"\A#!.*newlisp|^[ \t]*\(define[ \t]"), ("Common Lisp", ANY)),
    ".lp": (("Linear Programming", rb"(?i)^[ \t]*(?:minimi[sz]e|maximi[sz]e|subject to|max:|min:|bounds)"), ("Answer Set Programming", rb":-|^[ \t]*#\w+|\.[ \t]*\r?$"), ("Lambdapi", ANY)),
    ".ls": (("LoomScript", rb"^[ \t]*(?:package[ \t]*[\w.]*|import[ \t]+[\w.]+;|(?:public|private)[ \t]+(?:class|function|var|const)\b)"), ("LiveScript", ANY)),
    ".lsp": (("NewLisp", rb"\A#!.*newlisp|^[ \t]*\(define[ \t]"), ("Common Lisp", ANY)),
    ".m": (
        ("Mercury", rb"^[ \t]*:-[ \t]*(?:module|interface|import_module)"),
        ("Objective-C", _OBJECTIVE_C + rb"|" + _C_LINES + rb"|^[ \t]*(?://|/\*)"),
        ("MUF", rb"^: \w"),
        ("Wolfram Language", rb"\(\*|^[ \t]*\w+\[[^\n]*\][ \t]*:?=|BeginPackage"),
        ("Limbo", rb"^\w+[ \t]*:[ \t]*module[ \t]*\{"),
        ("M", rb"^[ \t]*;|^\w+[ \t]+;"),
        ("MATLAB", ANY),
    ),
    ".m4": (("M4Sugar", rb"^[ \t]*(?:AC_|AM_|m4_|AS_|AU_|AX_|LT_)\w+"), ("M4", ANY)),
    ".mask": (("Unity3D Asset", rb"\A\s{0,9}%YAML"), ("Mask", ANY)),
    ".mc": (("Win32 Message File", rb"^[ \t]*(?:MessageId|MessageIdTypedef|SeverityNames|FacilityNames|LanguageNames)[ \t]*="), ("M4", rb"^dnl|^[ \t]*(?:define|divert|include)\("), ("Monkey C", ANY)),
    ".md": (("GCC Machine Description", rb"^\(define_(?:insn|expand|attr|predicate|constants|mode_iterator|c_enum)\b"), ("Markdown", ANY)),
    ".ml": (("Standard ML", rb"^[ \t]*(?:structure|signature|functor)[ \t]+\w+[^\n]*(?:=|:>)[ \t]*(?:struct|sig)?\b"), ("OCaml", ANY)),
    ".mm": (("XML", rb"\A\s{0,99}<"), ("Objective-C++", ANY)),
    ".mo": (("Motoko", rb"^[ \t]*(?:(?:persistent[ \t]+)?actor\b|import[ \t]+\w+[ \t]+\"|module[ \t]*\{|let[ \t])"), ("Modelica", ANY)),
    ".mod": (
        ("XML", _XML),
        ("Modula-2", rb"^[ \t]*(?:(?:IMPLEMENTATION|DEFINITION)[ \t]+)?MODULE[ \t]"),
        ("NMODL", rb"^[ \t]*(?:NEURON|UNITS|TITLE|PARAMETER|ASSIGNED|BREAKPOINT)\b"),
        ("AMPL", rb"^[ \t]*(?:set|param|var|minimize|maximize|subject to|model|data)\b"),
        ("Linux Kernel Module", ANY),
    ),
    ".mojo": (("XML", _XML), ("Mojo", ANY)),
    ".moo": (("Mercury", rb"^[ \t]*:-"), ("Moocode", ANY)),
    ".mps": (("JetBrains MPS", _XML), ("Mathematical Programming System", ANY)),
    ".mqh": (("MQL5", rb"\b(?:MqlTradeRequest|CTrade|CObject|CopyBuffer|ENUM_POSITION_TYPE|class[ \t]+C\w+)\b"), ("MQL4", ANY)),
    ".ms": (("Roff", rb"^[.'][A-Za-z\\]"), ("Unix Assembly", rb"^[ \t]*\.(?:text|globl|include|section)|\b(?:mov|push|lea)[lq]?[ \t]+[%$]"), ("MiniScript", rb"^[ \t]*(?:end (?:if|while|for|function)|\w+[ \t]*=[ \t]*function\b|print[ \t])"), ("MAXScript", ANY)),
    ".msg": (("OMNeT++ MSG", rb"^[ \t]*(?:packet|message|cplusplus|namespace)\b"), ("ROS Interface", rb"^(?:u?int\d+|float\d+|string|bool|time|[A-Za-z_]\w*/\w+|\w+)(?:\[\d*\])?[ \t]+\w+[ \t]*(?:=|#|\r?$)")),
    ".n": (("Roff", rb"^[.'][A-Za-z\\]"), ("Nemerle", ANY)),
    ".nas": (("Nasal", rb"^[ \t]*(?:var|func|foreach|setlistener|#)[ \t({]|=[ \t]*func\b"), ("Assembly", ANY)),
    ".nb": (("Wolfram Language", rb"\(\*|Notebook\["), ("Text", ANY)),
    ".ncl": (("XML", rb"\A\s{0,99}<"), ("Gerber Image", _GERBER), ("Nickel", rb"\blet\b.*\bin\b|^[ \t]*\{|^[ \t]*#"), ("NCL", rb"^[ \t]*(?:;|begin\b|load[ \t]|end\b)"), ("Text", ANY)),
    ".nl": (("NL", rb"\A[gb]\d"), ("NewLisp", ANY)),
    ".nr": (("Roff", rb"^[.'][A-Za-z\\]"), ("Noir", ANY)),
    ".nu": (("Nu", rb"\A#!.*nush|^[ \t]*\((?:load|class|function|set|import|puts)\b|^;"), ("Nushell", ANY)),
    ".odin": (("Object Data Instance Notation", rb"\A\s{0,99}<|^[ \t]*(?:\w+[ \t]*=[ \t]*<|\[\")"), ("Odin", ANY)),
    ".p": (("Gnuplot", rb"^[ \t]*(?:set|plot|splot|unset|reset)\b"), ("OpenEdge ABL", rb"(?i)^[ \t]*(?:def(?:ine)?[ \t]|find[ \t]|for[ \t]+each|message[ \t]|assign\b|run[ \t]|procedure\b|&)|^[ \t]*/\*")),
    ".pbt": (("PowerBuilder", rb"\ASave Format"), ("Protocol Buffer Text Format", ANY)),
    ".pc": (("Pro*C", rb"\bEXEC SQL\b|" + _C_LINES), ("pkg-config", ANY)),
    ".pkl": (("Pickle", rb"\A(?:\(|c__|\x80|I\d|S')"), ("Pkl", ANY)),
    ".pl": (("Raku", _RAKU), ("Perl", _STRICT_PERL), ("Raku", _RAKU_HABITS), ("Perl", _PERL), ("Prolog", _PROLOG), ("Perl", ANY)),
    ".plist": (("XML Property List", rb"\A\s{0,99}<"), ("OpenStep Property List", ANY)),
    ".plt": (("Prolog", rb"^:-|:-[ \t]*$"), ("Gnuplot", ANY)),
    ".pluginspec": (("XML", _XML), ("Ruby", ANY)),
    ".pm": (("X PixMap", rb"/\* XPM \*/"), ("Raku", _RAKU), ("Perl", _STRICT_PERL), ("Raku", _RAKU_HABITS), ("Perl", ANY)),
    ".pod": (("Pod 6", rb"^=begin[ \t]+pod|^=(?:TITLE|SUBTITLE)\b"), ("Pod", ANY)),
    ".pp": (("Pascal", rb"(?i)^[ \t]*(?:unit|program|library|uses|interface|implementation|procedure|begin|end\.|\{\$)(?:[ \t;]|\r?$)"), ("Puppet", ANY)),
    ".prc": (("PLSQL", rb"(?i)^[ \t]*create[ \t]+or[ \t]+replace|\b(?:varchar2|exception|dbms_)"), ("SQL", ANY)),
    ".pro": (
        ("QMake", rb"^[ \t]*(?:TEMPLATE|TARGET|SOURCES|HEADERS|QT|CONFIG|SUBDIRS|INCLUDEPATH|FORMS|LIBS|DEFINES)[ \t]*[-+*]?="),
        ("Proguard", rb"^[ \t]*-(?:keep|dont|optimization|assume|renamesource|verbose|printmapping)|^[ \t]*#.*\bProGuard\b"),
        ("IDL", rb"(?i)^[ \t]*(?:pro|function)[ \t]+\w+[ \t]*(?:,|$)|^[ \t]*;\+"),
        ("Prolog", rb":-|^[ \t]*%|\.[ \t]*\r?$"),
        ("INI", rb"^[ \t]*[\w.]+[ \t]*="),
        ("Prolog", ANY),
    ),
    ".properties": (("INI", rb"^[ \t]*\[[^\]\n]+\][ \t]*\r?$"), ("Java Properties", ANY)),
    ".q": (("HiveQL", rb"(?i)^[ \t]*(?:select|create|drop|alter|insert|set|explain|desc|from)\b[^:\n]*(?:;|$)"), ("q", ANY)),
    ".qs": (("Q#", rb"^[ \t]*(?:///?[ \t]*)?(?:namespace|operation)\b"), ("Qt Script", ANY)),
    ".r": (("Rebol", rb"(?i)^[ \t]*rebol\b"), ("Rez", rb"^[ \t]*(?:resource|data|type)[ \t]+'....'|#include[ \t]+[\"<](?:Types|Carbon)"), ("R", ANY)),
    ".re": (("C++", _C_LINES + rb"|^[ \t]*(?:template[ \t]*<|/\*!re2c)"), ("Reason", ANY)),
    ".reds": (("Red", rb"^[ \t]*Red(?:/System)?[ \t]*\["), ("Redscript", ANY)),
    ".res": (("XML", _XML), ("ReScript", ANY)),
    ".rno": (("Roff", rb"^\.\\\" "), ("RUNOFF", ANY)),
    ".rpy": (("Python", rb"^(?:import|from|class|def)[ \t]"), ("Ren'Py", ANY)),
    ".rs": (("RenderScript", rb"^[ \t]*#pragma[ \t]+(?:rs|version)\b"), ("XML", _XML), ("Rust", ANY)),
    ".rsc": (("Rascal", rb"^[ \t]*(?:module|import|extend|data|syntax|public|private|lexical)[ \t]+\w"), ("RouterOS Script", ANY)),
    ".sc": (("SuperCollider", rb"\^(?:this|super)\.|^[ \t]*~\w+[ \t]*=|^[+]?[ \t]*[A-Z]\w*[ \t]*(?::[ \t]*[A-Z]\w*[ \t]*)?\{|\.(?:ar|kr)\(|^[ \t]*\*\w+[ \t]*\{"), ("Scala", ANY)),
    ".scd": (("Markdown", rb"^#+[ \t]+(?:NAME|SYNOPSIS|DESCRIPTION)"), ("SuperCollider", ANY)),
    ".sch": (("Eagle", rb"<!DOCTYPE eagle|<eagle"), ("XML", _XML), ("KiCad Schematic", rb"\AEESchema|\A\(kicad_sch"), ("Scheme", ANY)),
    ".scm": (("Tree-sitter Query", rb"^[^;\n]*(?:\(#[\w-]+[!?]|[)\]]\*?[ \t]+@\w|_\)?[ \t]+@\w|\"[ \t]+@\w)"), ("Scheme", ANY)),
    ".shader": (("ShaderLab", rb"^[ \t]*Shader[ \t]*\""), ("GLSL", ANY)),
    ".sls": (("Scheme", rb"\A#!r6rs|^[ \t]*\((?:library|import|define|export)\b|^;"), ("Salt", ANY)),
    ".sol": (("Gerber Image", _GERBER), ("Solidity", ANY)),
    ".spec": (("Python", rb"^[ \t]*(?:a[ \t]*=[ \t]*Analysis\(|# -\*- mode: python|exe[ \t]*=[ \t]*EXE\(|import )"), ("Ruby", rb"^[ \t]*(?:Pod::Spec|Gem::Spec|describe[ \t]|require[ \t])"), ("RPM Spec", ANY)),
    ".srt": (("SubRip Text", rb"^\d\d:\d\d:\d\d,\d{3}[ \t]*-->"), ("SRecode Template", ANY)),
    ".st": (("StringTemplate", rb"^(?:group|delimiters)\b|\$\w+[($]|<\w+\(|\$if\("), ("Smalltalk", ANY)),
    ".star": (("STAR", rb"^(?:loop_|data_|save_)\w*[ \t]*$"), ("Starlark", ANY)),
    ".svx": (("Survex data", rb"\A(?:;|\*\w)|^\*(?:begin|include|data)\b"), ("mdsvex", ANY)),
    ".sw": (("XML", _XML), ("Sway", ANY)),
    ".t": (("Raku", _RAKU), ("Perl", _STRICT_PERL), ("Terra", rb"^[ \t]*terra[ \t]+\w|\bterralib\b|^import \"|^[ \t]*local[ \t]+\w+[ \t]*="), ("Raku", _RAKU_HABITS), ("Perl", _PERL + rb"|^[ \t]*(?:is|ok|like|print)\b"), ("Turing", rb"^[ \t]*(?:%[ \t]|var[ \t]+\w+[^=\n]*:=?|put[ \t]|procedure[ \t]|function[ \t]|setscreen)"), ("Perl", ANY)),
    ".tact": (("JSON", rb"\A\s{0,99}\{\""), ("Tact", ANY)),
    ".tl": (("Type Language", rb"^---(?:types|functions)---|^\w+(?:\.\w+)*(?:#[0-9a-f]+)?[ \t].*=[ \t]*[A-Z][^=\n]*;"), ("Teal", ANY)),
    ".toc": (("World of Warcraft Addon Data", rb"^## |^@no-lib"), ("TeX", rb"^[ \t]*\\")),
    ".tpl": (("Go Template", rb"\{\{"), ("Smarty", ANY)),
    ".trigger": (("Bash", _SHELL), ("Apex", ANY)),
    ".ts": (("XML", rb"\A\s{0,99}<(?:\?xml|!DOCTYPE TS|TS\b)"), ("TypeScript", ANY)),
    ".tsp": (("TSPLIB data", rb"^(?:NAME|TYPE|DIMENSION|EDGE_WEIGHT_TYPE)[ \t]*:"), ("TypeSpec", ANY)),
    ".tst": (("GAP", rb"^gap> "), ("Scilab", ANY)),
    ".tsx": (("XML", _XML), ("TSX", ANY)),
    ".typ": (("XML", _XML), ("Typst", ANY)),
    ".uc": (("ucode", rb"\A#!.*ucode|^['\"]use strict['\"];|^[ \t]*(?:let|import|export)\b|^\{[%{]"), ("UnrealScript", ANY)),
    ".v": (
        ("Rocq Prover", rb"^[ \t]*(?:Proof|Qed|Defined|(?:From \w+ )?Require|Theorem|Lemma|Definition|Inductive|Fixpoint|Notation|Section|Ltac)\b"),
        ("V", rb"^[ \t]*(?:pub[ \t]+)?fn[ \t]|^import[ \t]+\w+[ \t]*$|^module[ \t]+\w+[ \t]*$|^[ \t]*\w+[ \t]*:=|^println\("),
        ("Verilog", ANY),
    ),
    ".vba": (("Vim script", rb"^UseVimball"), ("VBA", ANY)),
    ".vcf": (("TSV", rb"\A##fileformat"), ("vCard", ANY)),
    ".vhost": (("ApacheConf", rb"^[ \t]*<\w+"), ("Nginx", ANY)),
    ".w": (("OpenEdge ABL", rb"&ANALYZE-SUSPEND|^[ \t]*DEFINE[ \t]"), ("CWeb", ANY)),
    ".workflow": (("XML", _XML), ("HCL", ANY)),
    ".x": (("DirectX 3D File", rb"\Axof "), ("Logos", rb"^[ \t]*%(?:end|ctor|hook|group|orig|new|init)\b"), ("Linker Script", rb"\bOUTPUT_(?:ARCH|FORMAT)\(|^[ \t]*(?:SECTIONS|MEMORY|ENTRY)\b"), ("RPC", ANY)),
    ".yy": (("JSON", rb"\A\s{0,99}[{\[]"), ("Yacc", ANY)),
    **dict.fromkeys((f".{section}" for section in range(1, 10)), _MANUAL),
    **dict.fromkeys((".1in", ".1m", ".1x", ".3in", ".3m", ".3p", ".3pm", ".3qt", ".3x", ".man", ".mdoc"), (*_MANUAL, ("Roff", ANY))),
}  # fmt: skip


def candidates(suffix: str) -> tuple[str, ...]:
    """The languages of a shared ending; () where it is not shared."""
    return tuple(language for language, _ in RULES.get(suffix, ()))


def told_by_text(suffix: str, text: bytes) -> str:
    """The language of a text whose name has the shared ending; "" where no rule finds its own.

    >>> told_by_text(".ts", b'<?xml version="1.0"?>'), told_by_text(".ts", b"let a: number;")
    ('XML', 'TypeScript')
    """
    head = text[:HEAD_BYTES]
    return next((name for name, pattern in _compiled(suffix) if not pattern or pattern.search(head)), "")


@cache
def _compiled(suffix: str) -> tuple[tuple[str, re.Pattern[bytes] | None], ...]:
    return tuple(
        (name, re.compile(pattern, re.MULTILINE) if pattern else None) for name, pattern in RULES[suffix]
    )
