/* What a place in a text looks like: its last tokens, and its place in line, block, call and name, each as one hash.
 * One pass over the bytes of the tokens, no knowledge of any one language. */
#ifndef MEMORY_CONTEXTS_H
#define MEMORY_CONTEXTS_H

#include "base.h"

enum { NUM_ORDERS = 10, MAX_ORDER = 24, NUM_SHAPES = 19, NUM_CONTEXTS = NUM_ORDERS + NUM_SHAPES };
enum { NUM_FILE_SHAPES = 11, NUM_FOLLOWED = 2 };
static const int ORDERS[NUM_ORDERS] = {1, 2, 3, 4, 5, 6, 8, 11, 16, 24};

enum { COLUMNS = 512, NESTING = 64 };

/* The bytes of every token: token t is spelled bytes[offsets[t] .. offsets[t + 1]). */
typedef struct {
    const u8 *bytes;
    const u32 *offsets;
    u32 num_tokens;
} Spelling;

typedef struct {
    u64 word, words[3];               /* the identifier that is being written, and the last finished ones */
    u64 marks, last_mark;             /* the last five punctuation marks; the last one, and whether a blank followed */
    u64 first, second;                /* first words of this line */
    u64 forms;                        /* the last eight marks, words and numbers, each as one byte */
    u64 line_marks, marks_above;      /* all punctuation of this line, and of the one above */
    u64 first_above, line, owner, defined;
    i32 column, indent, indent_above, line_tokens, line_words, in_indent;
    u8 last_byte;
    i32 depth, calls, row;
    u32 rows[2][COLUMNS];             /* the token that covers each column, in this line and the one above */
    i32 block_indent[NESTING];
    u64 block_first[NESTING];
    u64 call_name[NESTING];
    i32 call_commas[NESTING];
} Place;

static void place_reset(Place *s) {
    memset(s, 0, sizeof *s);
    s->last_byte = '\n';
    s->last_mark = '\n';
    s->in_indent = 1;
}

static inline int is_word_byte(u8 b) {
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_' || b >= 128;
}

/* UTF-8 of U+3000 to U+FFFF: scripts without blanks, in which a character is as good as a word. */
static inline int begins_ideogram(u8 b) { return b >= 0xE3 && b < 0xF0; }

static u64 word_hash(const char *word) {
    u64 h = 0;
    for (; *word; word++) h = mix(h, (u8)*word);
    return h;
}

/* Words after which a name is defined, in the languages that have such words. */
static u64 DEFINING[12];
static void contexts_init(void) {
    static const char *words[] = {"def", "fn", "func", "function", "class", "struct", "impl", "enum", "trait", "interface", "type", "mod"};
    for (int k = 0; k < 12; k++) DEFINING[k] = word_hash(words[k]);
}
static inline int is_defining(u64 word) {
    for (int k = 0; k < 12; k++)
        if (DEFINING[k] == word) return 1;
    return 0;
}

/* The first visible byte of a line: its indentation is known, and with it the block that owns it. */
static void place_indent_ends(Place *s) {
    s->in_indent = 0;
    s->indent = s->column;
    while (s->depth > 0 && s->block_indent[s->depth - 1] >= s->indent) s->depth--;
    s->owner = s->depth > 0 ? s->block_first[s->depth - 1] : 0;
}

static void place_word_ends(Place *s) {
    s->line_words++;
    if (is_defining(s->words[0])) s->defined = s->word;
    if (s->line_words == 1) s->first = s->word;
    if (s->line_words == 2) s->second = s->word;
    s->words[2] = s->words[1];
    s->words[1] = s->words[0];
    s->words[0] = s->word;
    s->word = 0;
    s->marks = mix(s->marks << 8, 1);
}

static void place_line_ends(Place *s) {
    if (s->line_words > 0 || !s->in_indent) {
        if (s->depth < NESTING) {
            s->block_indent[s->depth] = s->indent;
            s->block_first[s->depth++] = s->first;
        }
        s->first_above = s->first;
        s->indent_above = s->indent;
        s->row ^= 1;
        s->marks_above = s->line_marks;
    }
    memset(s->rows[s->row], 0, sizeof s->rows[0]);
    s->column = s->line_words = s->indent = s->line_tokens = 0;
    s->first = s->second = s->line = s->line_marks = 0;
    s->in_indent = 1;
    s->last_mark = '\n';
}

static void place_brackets(Place *s, u8 b) {
    if (b == '(' || b == '[' || b == '{') {
        if (s->calls < NESTING) {
            s->call_name[s->calls] = mix(s->words[0], b);
            s->call_commas[s->calls++] = 0;
        }
    } else if (b == ')' || b == ']' || b == '}') {
        if (s->calls > 0) s->calls--;
    } else if (b == ',' && s->calls > 0) {
        s->call_commas[s->calls - 1]++;
    }
}

static void place_mark(Place *s, u8 b) {
    if (s->word) place_word_ends(s);
    if (b != ' ' && b != '\n' && b != '\t' && b != '\r') {
        if (s->in_indent) {
            place_indent_ends(s);
            s->first = b;
        }
        s->last_mark = b;
        s->line_marks = mix(s->line_marks, b);
        s->marks = ((s->marks << 8) & 0xFFFFFFFFFFull) | b;
        place_brackets(s, b);
    } else if (b == ' ' && !s->in_indent) {
        s->last_mark |= 256;
    } else if (b == '\n') {
        s->marks = ((s->marks << 8) & 0xFFFFFFFFFFull) | b;
    }
}

static void place_read(Place *s, const Spelling *spelling, u32 token) {
    u32 end = spelling->offsets[token + 1];
    for (u32 k = spelling->offsets[token]; k < end; k++) {
        u8 b = spelling->bytes[k];
        u64 form = b >= '0' && b <= '9' ? '0' : is_word_byte(b) ? 'a' : b;
        if (form != (s->forms & 255) || (form != 'a' && form != '0')) s->forms = s->forms << 8 | form;
        s->last_byte = b;
        if (is_word_byte(b)) {
            if (s->in_indent) place_indent_ends(s);
            if (begins_ideogram(b) && s->word) place_word_ends(s);
            s->word = mix(s->word, b);
        } else {
            place_mark(s, b);
        }
        if (b == '\n') {
            place_line_ends(s);
        } else {
            if (s->column < COLUMNS) s->rows[s->row][s->column] = token + 1;
            s->column++;
        }
    }
    if (s->last_byte == '\n') return;
    s->line_tokens++;
    s->line = mix(s->line, token);
}

/* Hashes of the last tokens, from the shortest on. `last` points behind the last token; `known` tokens stand before it,
 * and a separator before them. */
static void hash_orders(const u32 *last, i64 known, u32 separator, u64 *out) {
    u64 h = 1;
    int k = 0;
    for (int order = 1; order <= MAX_ORDER; order++) {
        h = mix(h, order <= known ? last[-order] : separator);
        if (ORDERS[k] == order) out[k++] = h;
    }
}

static inline u64 tagged(int tag, u64 a, u64 b) { return mix(mix((u64)(100 + tag), a), b); }

static void hash_shapes(const Place *s, const u32 *last, i64 known, u32 separator, u64 *out) {
    u64 t1 = known >= 1 ? last[-1] : separator, t2 = known >= 2 ? last[-2] : separator, t3 = known >= 3 ? last[-3] : separator;
    const u32 *above = s->rows[s->row ^ 1];
    u64 over = above[least(s->column, COLUMNS - 1)], over_next = above[least(s->column + 3, COLUMNS - 1)];
    u64 w0 = s->word, w1 = s->words[0], w2 = s->words[1];
    u64 call = s->calls ? mix(s->call_name[s->calls - 1], (u64)s->call_commas[s->calls - 1]) : 0;
    *out++ = tagged(0, t2, 0);
    *out++ = tagged(1, t2, t3);
    *out++ = tagged(2, t1, t3);
    *out++ = tagged(3, w0, w1);
    *out++ = mix(tagged(4, w0, w1), w2);
    *out++ = mix(tagged(5, t1, w1), w0 != 0);
    *out++ = mix(tagged(6, (u64)s->indent, s->first), t1);
    *out++ = tagged(7, over, t1);
    *out++ = mix(tagged(8, s->owner, t1), s->line_tokens < 2);
    *out++ = mix(mix(tagged(9, s->first_above, (u64)least(s->line_tokens, 4)), t1), (u64)s->indent_above);
    *out++ = tagged(10, s->line, (u64)s->indent);
    *out++ = tagged(11, s->marks, w0);
    *out++ = mix(tagged(12, call, w0), s->last_mark);
    *out++ = tagged(13, s->defined, t1);
    *out++ = mix(tagged(14, over, over_next), (u64)least(s->line_tokens, 3));
    *out++ = tagged(15, w0, s->last_mark);
    *out++ = mix(tagged(16, (u64)s->column, (u64)s->indent_above), s->line_tokens == 0);
    *out++ = mix(mix(tagged(17, s->first, s->second), w0), s->last_mark);
    *out++ = mix(tagged(18, w0 ? w0 : w1, w0 ? w1 : w2), s->last_mark);
}

/* What followed the last token, or the last two, when they stood in this file before: the last time, and the time before
 * that. Each is a token + 1, or 0. */
typedef struct {
    u32 last, before;
} Followed;

/* More shapes of a place, by which only the file at hand is counted: so they cost the index nothing.
 * The last two are the reader's: what its matches expect. */
static void hash_file_shapes(const Place *s, const u32 *last, i64 known, u32 separator, const Followed *followed, u64 *out) {
    u64 t1 = known >= 1 ? last[-1] : separator;
    *out++ = tagged(30, s->word, 0);
    *out++ = mix(tagged(31, followed[0].last, followed[0].before), t1);
    *out++ = mix(tagged(32, followed[1].last, followed[1].before), followed[0].last);
    *out++ = mix(tagged(33, s->owner, s->first), s->word);
    *out++ = mix(tagged(34, s->marks_above, s->line_marks), s->word);
    *out++ = mix(tagged(35, s->first_above, s->first), s->word ? s->word : s->last_mark);
    *out++ = mix(tagged(36, s->forms, 0), t1);
    *out++ = mix(tagged(37, s->forms, (u64)s->line_tokens), 0);
    *out++ = mix(tagged(38, followed[0].last, followed[1].last), s->word);
}

#endif
