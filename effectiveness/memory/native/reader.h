/* Reading one file from its beginning: the probability of every next token as a path down the tree, and learning from it. */
#ifndef MEMORY_READER_H
#define MEMORY_READER_H

#include "mixer.h"

enum { SLOT_BITS = 22, HASHED_MATCHES = 1 << 16, MATCH_LONGEST = 400, LONG_MATCH_ORDER = 5, SHORT_MATCH_ORDER = 1, INDEX_MATCH_LEAST = 4 };

/* Everything that changes while reading, but for the two large tables, which follow in the same block. */
typedef struct {
    Place place;
    i64 length;                          /* tokens in `tokens` */
    i64 begin;                           /* where the text at hand begins in them */
    i32 match_length[NUM_MATCHES];
    i64 match_at[NUM_MATCHES];
} Head;

/* An entry of the journal: `size` bytes at `at` were what follows. */
typedef struct {
    void *at;
    u32 size;
} Undo;

/* Everything that went into the chance at one node: learned from when the whole token is known, so that what is read
 * costs what `all_chances` says. */
typedef struct {
    float inputs[NUM_INPUTS];
    float chances[NUM_INPUTS];
    Middle middles[NUM_CONTEXTS + 1];
    Cell2 *cells[NUM_INPUTS];            /* the map entry that gave an input, or NULL */
    u32 *slot[NUM_FILE];
    u32 slot_check[NUM_FILE];
    i32 slot_state[NUM_FILE];
    int set_row[NUM_SETS];
    float set_logit[NUM_SETS], set_chance[NUM_SETS];
    int final_row[2];
    float final_chance;
    float *curve[2];
    int match_says[NUM_MATCHES];         /* the bit, or -1 */
    i32 bit;
} Judged;

enum { MAX_PENDING = 96, LEARN_ALL = 0, COUNT_ONLY = 1 };

typedef struct {
    const Index *index;
    Gaps gaps;
    const Run *runs;
    int num_runs;

    Learned *learned;
    Head head;
    u32 *tokens;
    i64 capacity;
    u32 *slots;                          /* file counts by hash of context and node */
    Followed *followed[NUM_FOLLOWED], *followed_here[NUM_FOLLOWED]; /* by a hash of tokens; those of the place at hand */
    i64 *last_seen[IN_FILE_MATCHES];        /* where a hash of tokens was seen last */

    u8 *journal;
    size_t journal_size, journal_room;
    int journaling, frozen, out_of_memory;

    /* of the place at hand */
    int ready;
    u64 hash[NUM_CONTEXTS + 1];
    Followers followers[NUM_CONTEXTS + 1];
    i32 at_root[NUM_CONTEXTS + 1];
    u16 room[NUM_ORDERS][SAMPLE];
    u64 file_hash[NUM_FILE];
    int train_order, file_order;
    i64 longest_place;                   /* the last place behind the most of the last tokens, or -1 */
    int longest;
    i32 match_rank[NUM_MATCHES];
    const double *model_sums;            /* [vocabulary + 1] of the model's probabilities by rank, or NULL */

    Judged path[MAX_PENDING], *now;      /* the nodes of the path that wait to be learned from; the one at hand */
} Reader;

/* --- taking back -------------------------------------------------------------------------------------------------- */

static void remember(Reader *r, void *at, u32 size) {
    size_t need = r->journal_size + size + sizeof(Undo);
    if (need > r->journal_room) {
        size_t room = need * 2 + (1 << 16);
        u8 *grown = realloc(r->journal, room);
        if (!grown) {
            r->out_of_memory = 1;
            return;
        }
        r->journal = grown;
        r->journal_room = room;
    }
    Undo undo = {at, size};
    memcpy(r->journal + r->journal_size, at, size);
    memcpy(r->journal + r->journal_size + size, &undo, sizeof undo);
    r->journal_size = need;
}

static inline void touch(Reader *r, void *at, u32 size) {
    if (r->journaling) remember(r, at, size);
}

static void roll_back(Reader *r, size_t to) {
    while (r->journal_size > to) {
        Undo undo;
        memcpy(&undo, r->journal + r->journal_size - sizeof undo, sizeof undo);
        r->journal_size -= sizeof undo + undo.size;
        memcpy(undo.at, r->journal + r->journal_size, undo.size);
    }
    r->ready = 0;
}

/* --- the place ---------------------------------------------------------------------------------------------------- */

/* The places of the text that stand behind the last k tokens, for k from 1 on: [low[k], high[k]). Returns the largest k
 * with any, at most MAX_ORDER; the beginning of a file counts as a token. */
static int ranges_of_orders(const Reader *r, i64 *low, i64 *high) {
    const Index *x = r->index;
    const u32 *end = r->tokens + r->head.length;
    i64 known = r->head.length - r->head.begin;
    u32 separator = x->spelling.num_tokens, id = known >= 1 ? end[-1] : separator;
    i64 a = x->starts[id], b = x->starts[id + 1];
    if (a < 0 || b > x->num_places || a >= b) return 0;
    low[1] = a;
    high[1] = b;
    for (int order = 2; order <= MAX_ORDER; order++) {
        if (order - 1 > known) return order - 1;
        narrow(x, &a, &b, order, order > known ? separator : end[-order]);
        if (a >= b) return order - 1;
        low[order] = a;
        high[order] = b;
    }
    return MAX_ORDER;
}

/* The last of the places that stand behind the most tokens and are not left out. */
static void find_longest(Reader *r, const i64 *low, const i64 *high, int longest) {
    r->longest_place = -1;
    for (int k = r->longest = longest; k >= INDEX_MATCH_LEAST; k = --r->longest) {
        i64 seen_from = k < longest ? low[k + 1] : high[k], seen_to = k < longest ? high[k + 1] : high[k];
        for (i64 at = high[k], left = SAMPLE; at > low[k] && left > 0; left--) {
            if (at == seen_to) at = seen_from;
            if (at == low[k]) break;
            u32 place = r->index->places[--at];
            if (in_gap(&r->gaps, place)) continue;
            r->longest_place = place;
            return;
        }
    }
}

static void look_up_orders(Reader *r) {
    const Index *x = r->index;
    i64 low[MAX_ORDER + 1], high[MAX_ORDER + 1];
    int longest = ranges_of_orders(r, low, high);
    find_longest(r, low, high, longest);
    const Followers *before = NULL;
    i64 width_before = -1;
    for (int k = 0; k < NUM_ORDERS && ORDERS[k] <= longest; k++) {
        if (x->groups[k].bucket_bits) continue;
        Followers *f = &r->followers[k];
        i64 a = low[ORDERS[k]], b = high[ORDERS[k]];
        if (b - a == width_before) {
            f->symbols = before->symbols;
            f->num = f->right = before->num;
        } else {
            followers_of_places(f, x, &r->gaps, a, b, r->room[k]);
        }
        before = f;
        width_before = b - a;
    }
}

static void look_up(Reader *r) {
    const Index *x = r->index;
    for (int c = 0; c <= NUM_CONTEXTS; c++) followers_none(&r->followers[c]);
    for (int c = 0; c < NUM_CONTEXTS; c++)
        if (x->groups[c].bucket_bits) __builtin_prefetch(x->groups[c].buckets + (r->hash[c] >> (64 - x->groups[c].bucket_bits)));
    look_up_orders(r);
    for (int c = 0; c < NUM_CONTEXTS; c++)
        if (x->groups[c].bucket_bits) {
            const Groups *g = &x->groups[c];
            u32 at = g->buckets[r->hash[c] >> (64 - g->bucket_bits)];
            if (at < g->num_units) __builtin_prefetch(g->units + at);
        }
    for (int c = 0; c < NUM_CONTEXTS; c++)
        if (x->groups[c].bucket_bits) followers_of_group(&r->followers[c], &x->groups[c], r->hash[c]);
    for (int k = 0; k < r->num_runs; k++)
        for (int c = 0; c <= NUM_CONTEXTS; c++) {
            int from_places = c < NUM_ORDERS && x->groups[c].bucket_bits == 0;
            if (r->runs[k].sign == -2 && from_places) continue;
            add_run(&r->followers[c], &r->runs[k], c, r->hash[c]);
        }
}

static u32 *slot_of(Reader *r, u64 context, i32 node, u32 *check) {
    u64 h = mix(context, (u64)node);
    *check = (u32)(h >> 48);
    return &r->slots[h & ((1u << SLOT_BITS) - 1)];
}

static int match_length_at(const Reader *r, i64 at) {
    const u32 *t = r->tokens;
    int n = 0;
    while (n < MATCH_LONGEST && at - 1 - n >= 0 && t[at - 1 - n] == t[r->head.length - 1 - n]) n++;
    return n;
}

static void look_up_matches(Reader *r) {
    static const int order[IN_FILE_MATCHES] = {LONG_MATCH_ORDER, SHORT_MATCH_ORDER};
    for (int k = 0; k < IN_FILE_MATCHES; k++) {
        int need = ORDERS[order[k]];
        i64 *last = &r->last_seen[k][r->hash[order[k]] >> 20 & (HASHED_MATCHES - 1)];
        if (r->head.match_length[k] < need && r->head.length - r->head.begin >= need && *last > 0) {
            int n = match_length_at(r, *last);
            if (n >= need) {
                r->head.match_at[k] = *last;
                r->head.match_length[k] = n;
            }
        }
        r->match_rank[k] = r->head.match_length[k] ? r->index->rank[r->tokens[r->head.match_at[k]]] : -1;
    }
    i32 *length = &r->head.match_length[IN_FILE_MATCHES];
    if (*length < INDEX_MATCH_LEAST && r->longest >= INDEX_MATCH_LEAST && r->longest_place >= 0) {
        r->head.match_at[IN_FILE_MATCHES] = r->longest_place;
        *length = r->longest;
    }
    u32 id = *length && r->head.match_at[IN_FILE_MATCHES] < r->index->ids.length ? id_at(&r->index->ids, r->head.match_at[IN_FILE_MATCHES]) : r->index->spelling.num_tokens;
    r->match_rank[IN_FILE_MATCHES] = id < r->index->spelling.num_tokens ? r->index->rank[id] : -1;
}

/* Contexts of the file: what the matches expect. One in the file speaks for all of them that are there. */
static void hash_matches(const Reader *r, u64 *out) {
    u64 near = (u64)(r->match_rank[0] >= 0 ? r->match_rank[0] : r->match_rank[1]) + 1, far = (u64)r->match_rank[IN_FILE_MATCHES] + 1;
    *out++ = tagged(39, near, far);
    *out++ = mix(tagged(40, far ? far : (u64)r->match_rank[1] + 1, (u64)least(r->head.match_length[IN_FILE_MATCHES], 15)), r->hash[0]);
}

/* The place of a context of the file in `hash`, and of its counts over the training text. */
static inline int file_context(int c) { return c < NUM_FILE_ORDERS ? c : c - NUM_FILE_ORDERS + NUM_ORDERS; }

/* Everything about the place behind the tokens read so far. */
static void prepare(Reader *r) {
    if (r->ready) return;
    const u32 *end = r->tokens + r->head.length;
    i64 known = r->head.length - r->head.begin;
    u32 separator = r->index->spelling.num_tokens;
    hash_orders(end, known, separator, r->hash);
    hash_shapes(&r->head.place, end, known, separator, r->hash + NUM_ORDERS);
    r->hash[ANY_PLACE] = 0;
    look_up(r);
    r->train_order = r->file_order = 0;
    Followed followed[NUM_FOLLOWED];
    u64 shapes[NUM_FILE_SHAPES];
    for (int k = 0; k < NUM_FOLLOWED; k++) followed[k] = *(r->followed_here[k] = &r->followed[k][r->hash[k] >> 24 & (HASHED_MATCHES - 1)]);
    look_up_matches(r);
    hash_file_shapes(&r->head.place, end, known, separator, followed, shapes);
    hash_matches(r, shapes + NUM_FILE_SHAPES - 2);
    for (int c = 0; c < NUM_ORDERS; c++)
        if (occurrences(&r->followers[c]) > 0) r->train_order = c + 1;
    for (int c = 0; c < NUM_FILE; c++) {
        u32 check;
        r->file_hash[c] = (c < NUM_JOINT ? r->hash[file_context(c)] : shapes[c - NUM_JOINT]) + (u64)c * 0x9E3779B97F4A7C15ull;
        if (c < NUM_FILE_ORDERS) {
            u32 entry = *slot_of(r, r->file_hash[c], 0, &check);
            if (entry >> 16 == check && entry & 0x3ff) r->file_order = c + 1;
        }
    }
    r->ready = 1;
}

/* --- one node ----------------------------------------------------------------------------------------------------- */

static inline void take(Reader *r, int input, Cell2 *cell) {
    r->now->cells[input] = cell;
    r->now->chances[input] = cell->p;
}

typedef struct {
    i32 five[NUM_CONTEXTS + 1];
    int surest, order2, at_longest;
} Seen;

static INTO_CALLER void train_inputs(Reader *r, const Node *node, int depth, Seen *seen) {
    const Index *x = r->index;
    u32 middle = node->middle < x->rare_from ? (u32)node->middle : RARE;
    int rare = node->low >= x->rare_from;
    seen->surest = seen->at_longest = 0;
    seen->order2 = TRAIN_STATES;
    for (int c = 0; c < NUM_CONTEXTS; c++) {
        i32 n0 = 0, n1 = 0, class = 0;
        if (!rare) count_sides(&r->followers[c], middle, &n0, &n1, &r->now->middles[c]);
        i32 n = n0 + n1;
        seen->five[c] = FIVE_CLASS[least(n0, 15)] * 5 + FIVE_CLASS[least(n1, 15)];
        if (depth == 0) r->at_root[c] = n;
        if (n == 0) continue;
        class = depth == 0 ? 0 : n == r->at_root[c] ? 1 : 2;
        int state = count_class(n0) * COUNT_CLASSES + count_class(n1);
        take(r, IN_TRAIN + 2 * c, &r->learned->train[c][class][state]);
        r->now->inputs[IN_TRAIN + 2 * c + 1] = (log_count(n1) - log_count(n0)) * ((float)n / ((float)n + 1.5f));
        if (c < NUM_ORDERS) {
            seen->surest = n0 == 0 || n1 == 0;
            seen->at_longest = n;
        }
        if (c == 1) seen->order2 = state;
    }
    i32 n0 = (i32)(x->rank_sums[node->middle] - x->rank_sums[node->low]), n1 = (i32)(x->rank_sums[node->high] - x->rank_sums[node->middle]);
    i32 m0 = 0, m1 = 0;
    if (!rare) count_sides(&r->followers[ANY_PLACE], middle, &m0, &m1, &r->now->middles[ANY_PLACE]);
    n0 = n0 > m0 ? n0 - m0 : 0;
    n1 = n1 > m1 ? n1 - m1 : 0;
    seen->five[ANY_PLACE] = FIVE_CLASS[least(n0, 15)] * 5 + FIVE_CLASS[least(n1, 15)];
    r->now->inputs[IN_ANY] = ln_f(((float)n1 + 0.3f) / ((float)n0 + 0.3f));
    r->now->inputs[IN_BIAS] = 0.3f;
}

/* The slots of a node are asked for long before they are read: each is a miss of the caches. */
static void seek_slots(Reader *r, i32 id) {
    for (int c = 0; c < NUM_FILE; c++) {
        r->now->slot[c] = slot_of(r, r->file_hash[c], id, &r->now->slot_check[c]);
        __builtin_prefetch(r->now->slot[c], 1);
    }
}

static void read_slots(Reader *r) {
    for (int c = 0; c < NUM_FILE; c++)
        r->now->slot_state[c] = *r->now->slot[c] >> 16 == r->now->slot_check[c] ? (i32)(*r->now->slot[c] & 0x3ff) : 0;
}

static INTO_CALLER void file_inputs(Reader *r, int below_root, const Seen *seen) {
    read_slots(r);
    for (int c = 0; c < NUM_FILE; c++) {
        int state = r->now->slot_state[c], n0 = state >> 6 & 15, n1 = state >> 2 & 15;
        if (state) {
            take(r, IN_FILE + 2 * c, &r->learned->file[c][below_root][state & (FILE_STATES - 1)]);
            r->now->inputs[IN_FILE + 2 * c + 1] = (LOG_COUNT[n1] - LOG_COUNT[n0]) * ((float)(n0 + n1) / ((float)(n0 + n1) + 1.5f));
        }
        if (c >= NUM_JOINT) continue;
        int joint = seen->five[file_context(c)] * 25 + FIVE_CLASS[n0] * 5 + FIVE_CLASS[n1];
        if (joint) take(r, IN_JOINT + c, &r->learned->joint[c][joint]);
    }
}

/* Sixteen classes of how many tokens a match has held. */
static inline int match_class(i32 length) {
    if (length < 8) return length;
    return length < 12 ? 8 : length < 16 ? 9 : length < 24 ? 10 : length < 32 ? 11 : length < 48 ? 12 : length < 100 ? 13 : length < 400 ? 14 : 15;
}

/* Returns what the matches say, as a number below 32. */
static INTO_CALLER int match_inputs(Reader *r, const Node *node, int below_root) {
    int says = 0;
    for (int k = 0; k < NUM_MATCHES; k++) {
        i32 rank = r->match_rank[k], length = match_class(r->head.match_length[k]);
        r->now->match_says[k] = -1;
        if (length == 0 || rank < node->low || rank >= node->high) continue;
        int bit = r->now->match_says[k] = rank >= node->middle;
        take(r, IN_MATCH + k, &r->learned->match[k][length * 2 + below_root]);
        if (!says) says = 1 + bit + 2 * (k == 1 ? 0 : length / 4) + (k == 1 ? 8 : k == 2 ? 10 : 0);
    }
    return says;
}

/* Returns the class of the model's certainty, 0 without a model. */
static INTO_CALLER int model_inputs(Reader *r, const Node *node) {
    if (!r->model_sums) return 0;
    double low = r->model_sums[node->low], middle = r->model_sums[node->middle], high = r->model_sums[node->high];
    float p = (float)((high - middle + 1e-9) / (high - low + 2e-9));
    float logit = clampf(stretch(clampf(p, 1e-4f, 1 - 1e-4f)), -8, 8);
    r->now->inputs[IN_MODEL] = logit;
    take(r, IN_MODEL + 1, &r->learned->model[(int)(logit * 2 + 16.5f)]);
    return 1 + least((int)(logit + 8.0f), 15);
}

static INTO_CALLER void logits_of_chances(Reader *r) {
    for (int j = 0; j < NUM_INPUTS; j += LANES) {
        f8 p, x;
        memcpy(&p, r->now->chances + j, sizeof p);
        x = ln_f8(p) - ln_f8(1.0f - p);
        for (int k = 0; k < LANES; k++)
            if (r->now->cells[j + k]) r->now->inputs[j + k] = x[k];
    }
    for (int k = 0; k < NUM_MATCHES; k++)
        if (r->now->match_says[k] == 0) r->now->inputs[IN_MATCH + k] = -r->now->inputs[IN_MATCH + k];
}

static inline int four_by_four(i32 state) { return least(state >> 6 & 15, 3) * 4 + least(state >> 2 & 15, 3); }

static INTO_CALLER void choose_sets(Reader *r, i32 id, int depth, const Seen *seen, int match, int model) {
    const Place *place = &r->head.place;
    int below_root = depth > 0, s1 = r->now->slot_state[0], s2 = r->now->slot_state[1];
    int words = (place->line_tokens < 3 ? place->line_tokens : 3) * 4 + (place->word != 0) * 2 + (place->calls > 0);
    int row[NUM_SETS] = {
        r->train_order * (NUM_FILE_ORDERS + 1) + r->file_order,
        id < 1024 ? id : 1024 + least(depth, 31),
        match * 2 + seen->surest,
        words + 16 * least(depth, 7),
        seen->order2,
        four_by_four(s1) * 16 + four_by_four(s2),
        place->last_byte * 2 + below_root,
        model * 2 + seen->surest,
        (r->train_order * 4 + least(seen->at_longest, 3)) * 2 + seen->surest,
        (int)(mix(place->first, 0) & 255) * 2 + below_root,
        r->now->match_says[2] < 0 ? 0 : 1 + match_class(r->head.match_length[2]) * 2 + r->now->match_says[2],
        four_by_four(r->now->slot_state[NUM_JOINT]) * 16 + four_by_four(r->now->slot_state[NUM_JOINT + 1]),
        (int)(r->hash[0] >> 30 & 511) * 2 + below_root,
        0,
    };
    int base = 0;
    for (int k = 0; k < NUM_SETS; k++) {
        r->now->set_row[k] = base + row[k];
        base += SET_SIZES[k];
    }
    r->now->final_row[0] = least(depth, 31);
    r->now->final_row[1] = 32 + match * 2 + seen->surest;
}

/* A vector that was never chosen says what the one that always is says. */
static inline const float *weights_of(const Learned *m, int row) { return m->weights[m->visits[row] ? row : GENERAL]; }

/* Chance of a 1 at an inner node, before the last corrections. */
static INTO_CALLER float join(Reader *r) {
    const Learned *m = r->learned;
    float logit = 0;
    for (int k = 0; k < NUM_SETS; k++) {
        float d = clampf(dot(weights_of(m, r->now->set_row[k]), r->now->inputs), -14, 14);
        r->now->set_logit[k] = d;
        r->now->set_chance[k] = squash(d);
        logit += (m->final[r->now->final_row[0]][k] + m->final[r->now->final_row[1]][k]) * 0.5f * d;
    }
    return clampf(logit, -14, 14);
}

static inline float *curve_of_token(const Reader *r, i32 id) { return r->learned->token_curve[mix(r->hash[0], (u64)id) & (TOKEN_CURVES - 1)]; }

static INTO_CALLER float corrected(Reader *r, i32 id, float logit) {
    Learned *m = r->learned;
    float at = (clampf(logit, -7.99f, 7.99f) + 8) * 2, part = at - (float)(int)at;
    float *node = m->node_curve[id < NODE_CURVES ? id : (i32)(mix(7, (u64)id) & (NODE_CURVES - 1))] + (int)at;
    float *token = curve_of_token(r, id) + (int)at;
    r->now->curve[0] = node + (part >= 0.5f);
    r->now->curve[1] = token + (part >= 0.5f);
    if (logit <= -7.99f || logit >= 7.99f) return r->now->final_chance;
    float by_node = node[0] * (1 - part) + node[1] * part, by_token = token[0] * (1 - part) + token[1] * part;
    return r->now->final_chance * (1 - 2 * CURVE_SHARE) + CURVE_SHARE * by_node + CURVE_SHARE * by_token;
}

/* Chance that the path goes right (a 1) at inner node `id`; the followers are those below it. */
FOR_EVERY_PROCESSOR static float node_chance(Reader *r, i32 id, int depth) {
    const Node *node = &r->index->nodes[id];
    Seen seen;
    seek_slots(r, id);
    for (int k = 0; k < CURVE; k += 16) __builtin_prefetch(curve_of_token(r, id) + k, 1);
    memset(r->now->inputs, 0, sizeof r->now->inputs);
    memset(r->now->cells, 0, sizeof r->now->cells);
    for (int j = 0; j < NUM_INPUTS; j++) r->now->chances[j] = 0.5f;
    train_inputs(r, node, depth, &seen);
    file_inputs(r, depth > 0, &seen);
    int match = match_inputs(r, node, depth > 0), model = model_inputs(r, node);
    logits_of_chances(r);
    choose_sets(r, id, depth, &seen, match, model);
    float logit = join(r);
    r->now->final_chance = squash(logit);
    return clampf(corrected(r, id, logit), 1e-6f, 1 - 1e-6f);
}

FOR_EVERY_PROCESSOR static void node_learn(Reader *r, int bit) {
    Learned *m = r->learned;
    for (int k = 0; k < NUM_SETS; k++) {
        float *w = m->weights[r->now->set_row[k]];
        touch(r, w, sizeof m->weights[0]);
        float *visits = &m->visits[r->now->set_row[k]];
        touch(r, visits, sizeof *visits);
        if (!*visits && k != NUM_SETS - 1) memcpy(w, m->weights[GENERAL], sizeof m->weights[0]);
        *visits += 1;
        add_scaled(w, r->now->inputs, ((float)bit - r->now->set_chance[k]) * (RATE + FIRST_RATE / (1 + *visits / FIRST_VISITS)));
    }
    for (int side = 0; side < 2; side++) touch(r, m->final[r->now->final_row[side]], sizeof m->final[0]);
    for (int k = 0; k < NUM_SETS; k++) {
        float step = ((float)bit - r->now->final_chance) * FINAL_RATE * r->now->set_logit[k];
        m->final[r->now->final_row[0]][k] += step;
        m->final[r->now->final_row[1]][k] += step;
    }
    for (int j = 0; j < IN_ANY; j++) {
        if (!r->now->cells[j]) continue;
        touch(r, r->now->cells[j], sizeof(Cell2));
        if (j >= IN_MATCH && j < IN_MODEL) {
            cell_learn(r->now->cells[j], r->now->match_says[j - IN_MATCH] == bit, FILE_LIMIT, 1e-4f);
        } else {
            cell_learn(r->now->cells[j], bit, j >= IN_FILE && j < IN_JOINT ? FILE_LIMIT : TRAIN_LIMIT, 1e-5f);
        }
    }
    for (int k = 0; k < 2; k++) {
        touch(r, r->now->curve[k], sizeof(float));
        *r->now->curve[k] += ((float)bit - *r->now->curve[k]) * CURVE_RATE;
    }
}

static void node_count(Reader *r, int bit) {
    for (int c = 0; c < NUM_FILE; c++) {
        u32 state = (u32)r->now->slot_state[c], n0 = state >> 6 & 15, n1 = state >> 2 & 15;
        u32 *more = bit ? &n1 : &n0, *less = bit ? &n0 : &n1;
        *more += *more < 15;
        if (*less > 2) *less = (*less + 2) / 2;
        touch(r, r->now->slot[c], sizeof(u32));
        *r->now->slot[c] = r->now->slot_check[c] << 16 | n0 << 6 | n1 << 2 | (state & 1) << 1 | (u32)bit;
    }
}

static void enter(Reader *r, const Node *node, int bit) {
    if (node->low >= r->index->rare_from) return;
    for (int c = 0; c <= NUM_CONTEXTS; c++) enter_side(&r->followers[c], &r->now->middles[c], bit);
}

/* --- one token ---------------------------------------------------------------------------------------------------- */

static int room_for_token(Reader *r) {
    if (r->head.length < r->capacity) return 1;
    i64 capacity = r->capacity * 2 + 1024;
    u32 *grown = realloc(r->tokens, sizeof(u32) * (size_t)capacity);
    if (!grown) return 0;
    r->tokens = grown;
    r->capacity = capacity;
    return 1;
}

/* A match that held for long and then did not is often one of which a name was changed: it goes on behind that, as one of
 * few tokens. */
static void missed(Reader *r, int k) {
    i32 *length = &r->head.match_length[k];
    r->head.match_at[k]++;
    *length = *length >= 20 ? 3 : *length >= 8 ? 2 : *length >= 4 ? 1 : 0;
}

/* The token is read: the place moves behind it. */
static void move_on(Reader *r, u32 token) {
    static const int order[IN_FILE_MATCHES] = {LONG_MATCH_ORDER, SHORT_MATCH_ORDER};
    touch(r, &r->head, sizeof r->head);
    if (r->match_rank[IN_FILE_MATCHES] == r->index->rank[token]) {
        r->head.match_at[IN_FILE_MATCHES]++;
        r->head.match_length[IN_FILE_MATCHES] = least(r->head.match_length[IN_FILE_MATCHES] + 1, MATCH_LONGEST);
    } else {
        missed(r, IN_FILE_MATCHES);
        /* Behind the end of a file begins another, which may be one that is left out. */
        if (r->match_rank[IN_FILE_MATCHES] < 0) r->head.match_length[IN_FILE_MATCHES] = 0;
    }
    for (int k = 0; k < IN_FILE_MATCHES; k++) {
        i64 *last = &r->last_seen[k][r->hash[order[k]] >> 20 & (HASHED_MATCHES - 1)];
        touch(r, last, sizeof *last);
        *last = r->head.length;
        if (r->head.match_length[k] == 0) continue;
        if (r->tokens[r->head.match_at[k]] == token) {
            r->head.match_at[k]++;
            r->head.match_length[k] = least(r->head.match_length[k] + 1, MATCH_LONGEST);
        } else {
            missed(r, k);
        }
    }
    for (int k = 0; k < NUM_FOLLOWED; k++) {
        touch(r, r->followed_here[k], sizeof(Followed));
        r->followed_here[k]->before = r->followed_here[k]->last;
        r->followed_here[k]->last = token + 1;
    }
    r->tokens[r->head.length++] = token;
    place_read(&r->head.place, &r->index->spelling, token);
    r->ready = 0;
}

static int path_learn(Reader *r, int waiting, int mode) {
    for (int k = 0; k < waiting; k++) {
        r->now = &r->path[k];
        if (mode != COUNT_ONLY && !r->frozen) node_learn(r, r->now->bit);
        node_count(r, r->now->bit);
    }
    return 0;
}

/* Probability of `token`; then it is read. COUNT_ONLY: neither weights nor maps change, and 1 is returned. */
static double read_token(Reader *r, u32 token, int mode) {
    const Index *x = r->index;
    prepare(r);
    double p = 1;
    i32 rank = x->rank[token], id = 0;
    int waiting = 0;
    for (int depth = 0; id >= 0; depth++) {
        const Node *node = &x->nodes[id];
        r->now = &r->path[waiting++];
        int bit = r->now->bit = rank >= node->middle;
        if (mode == COUNT_ONLY) {
            seek_slots(r, id);
            read_slots(r);
        } else {
            float chance = node_chance(r, id, depth);
            p *= bit ? (double)chance : 1 - (double)chance;
            enter(r, node, bit);
        }
        if (waiting == MAX_PENDING) waiting = path_learn(r, waiting, mode); /* deeper than any honest tree */
        id = node->child[bit];
    }
    path_learn(r, waiting, mode);
    move_on(r, token);
    return p;
}

/* Set the followers to those below an inner node. */
static void visit(Reader *r, i32 id) {
    const Index *x = r->index;
    const Node *node = &x->nodes[id];
    if (node->low >= x->rare_from) return;
    u32 low = (u32)node->low, high = node->high <= x->rare_from ? (u32)node->high : RARE;
    for (int c = 0; c <= NUM_CONTEXTS; c++) enter_interval(&r->followers[c], low, high, node->high > x->rare_from);
}

#endif
