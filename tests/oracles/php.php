<?php
// Reads tokens of what it is sent, never runs it. A line in: {"before": text, "after": text}; a line out: true, false,
// or null where the first text does not parse.
function bare(string $text): ?array {
    try {
        $tokens = PhpToken::tokenize($text, TOKEN_PARSE);
    } catch (ParseError $error) {
        return null;
    }
    $found = [];
    foreach ($tokens as $token) {
        if (!$token->is([T_WHITESPACE, T_COMMENT])) {
            $found[] = [$token->id, $token->is([T_OPEN_TAG, T_OPEN_TAG_WITH_ECHO]) ? trim($token->text) : $token->text];
        }
    }
    return $found;
}

while (($line = fgets(STDIN)) !== false) {
    $question = json_decode($line, true);
    $before = bare($question["before"]);
    echo $before === null ? "null" : (bare($question["after"]) === $before ? "true" : "false"), "\n";
}
