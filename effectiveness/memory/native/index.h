/* The finished index, as memory-mapped arrays, and looking up what followed a context in it. Every number that is read from
 * the arrays is checked before it is used: a damaged file gives wrong counts, never a fault. */
#ifndef MEMORY_INDEX_H
#define MEMORY_INDEX_H

#include "building.h"
#include "tree.h"

enum { SAMPLE = 256, ANY_PLACE = NUM_CONTEXTS };

typedef struct {
    const u32 *buckets;
    const u16 *units;
    i64 num_units;
    int bucket_bits; /* 0: this shape of place has no groups */
} Groups;

typedef struct {
    Ids ids;
    i64 num_places;
    const u32 *places;
    const u16 *followers;    /* symbol of the token at each of `places` */
    const i64 *starts;       /* [vocabulary + 2] */
    Groups groups[NUM_CONTEXTS];
    Spelling spelling;
    const Node *nodes;
    i32 num_nodes;
    const i32 *rank;         /* [vocabulary] */
    const u32 *rank_sums;    /* [vocabulary + 1] tokens of the text of lower rank */
    i32 rare_from;           /* ranks from here on share the symbol RARE */
} Index;

static inline u32 symbol_of(const Index *x, u32 token) {
    i32 r = x->rank[token];
    return r < x->rare_from ? (u32)r : RARE;
}

/* A few files' own places: keys (hash without its last bits | symbol) in order, for each context and for ANY_PLACE.
 * sign: 1 where they are added to what the index says, -1 where they are taken out, -2 where they are taken out of the
 * groups only (gaps took them out of the places). */
typedef struct {
    const u64 *keys;
    const i64 *offsets; /* [NUM_CONTEXTS + 2] */
    int sign;
} Run;

enum { MAX_RUNS = 6 };

/* The followers of one context: symbols[left .. right) are those below the node at hand. */
typedef struct {
    const u16 *symbols, *sums;
    i32 num, left, right;
    int kind, num_runs;
    const u64 *run[MAX_RUNS];
    i32 run_num[MAX_RUNS], run_left[MAX_RUNS], run_right[MAX_RUNS];
    int run_sign[MAX_RUNS];
} Followers;

static inline i32 lower_symbol(const u16 *symbols, i32 low, i32 high, u32 symbol) {
    while (low < high) {
        i32 middle = (low + high) >> 1;
        if (symbols[middle] < symbol) low = middle + 1;
        else high = middle;
    }
    return low;
}

static inline i32 lower_key(const u64 *keys, i32 low, i32 high, u64 key) {
    while (low < high) {
        i32 middle = (low + high) >> 1;
        if (keys[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Occurrences of the first k symbols. */
static inline i32 count_below(const Followers *f, i32 k) {
    if (f->kind == MANY || k == 0) return k;
    if (f->kind == RUNS) return f->sums[k - 1];
    return (i32)(f->sums[2 * k - 2] | (u32)f->sums[2 * k - 1] << 16);
}

/* All occurrences, without those that are taken out. */
static inline i32 occurrences(const Followers *f) {
    i32 n = count_below(f, f->num);
    for (int k = 0; k < f->num_runs; k++) n += f->run_sign[k] * f->run_num[k];
    return n;
}

static inline void followers_none(Followers *f) {
    f->symbols = f->sums = NULL;
    f->num = f->left = f->right = f->num_runs = 0;
    f->kind = MANY;
}

/* The group of a hash, or none. */
static void followers_of_group(Followers *f, const Groups *g, u64 hash) {
    u64 bucket = hash >> (64 - g->bucket_bits);
    u16 head = (u16)(hash >> (64 - g->bucket_bits - HASH_BITS_IN_HEAD) & ((1 << HASH_BITS_IN_HEAD) - 1));
    i64 at = g->buckets[bucket], end = g->buckets[bucket + 1];
    if (end > g->num_units) return;
    while (at + 2 <= end) {
        int kind = g->units[at] & 3, found = g->units[at] >> 2 == head;
        i64 num = kind == ONE ? 1 : g->units[at + 1], symbols = at + (kind == ONE ? 1 : 2);
        i64 next = symbols + num * (kind == RUNS ? 2 : kind == LONG_RUNS ? 3 : 1);
        if (next > end || num == 0) return;
        if (found) {
            f->symbols = g->units + symbols;
            f->sums = f->symbols + num;
            f->num = f->right = (i32)num;
            f->kind = kind == ONE ? MANY : kind;
            return;
        }
        at = next;
    }
}

/* Places [low, high) of the order that stand behind one token more: the `order`-th back is `id`. */
static void narrow(const Index *x, i64 *low, i64 *high, int order, u32 id) {
    i64 bounds[2];
    for (int side = 0; side < 2; side++) {
        i64 a = side ? bounds[0] : *low, b = *high;
        while (a < b) {
            i64 middle = (a + b) >> 1, p = (i64)x->places[middle] - order;
            u32 other = p >= 0 && p < x->ids.length ? id_at(&x->ids, p) : 0;
            if (side ? other <= id : other < id) a = middle + 1;
            else b = middle;
        }
        bounds[side] = a;
    }
    *low = bounds[0];
    *high = bounds[1];
}

static void sort_symbols(u16 *a, i32 n) {
    if (n > 48) {
        u16 other[SAMPLE];
        for (int shift = 0; shift < 16; shift += 8) {
            u16 count[257] = {0};
            const u16 *from = shift ? other : a;
            u16 *to = shift ? a : other;
            for (i32 k = 0; k < n; k++) count[(from[k] >> shift & 255) + 1]++;
            for (int d = 0; d < 256; d++) count[d + 1] = (u16)(count[d + 1] + count[d]);
            for (i32 k = 0; k < n; k++) to[count[from[k] >> shift & 255]++] = from[k];
        }
        return;
    }
    for (i32 i = 1; i < n; i++) {
        u16 v = a[i];
        i32 j = i;
        for (; j > 0 && a[j - 1] > v; j--) a[j] = a[j - 1];
        a[j] = v;
    }
}

/* Intervals [start, end) of the text that are to be left out, in order. */
typedef struct {
    const i64 *bounds; /* [2 * num] */
    i64 num;
} Gaps;

static inline int in_gap(const Gaps *gaps, i64 place) {
    i64 low = 0, high = gaps->num;
    while (low < high) {
        i64 middle = (low + high) >> 1;
        if (gaps->bounds[2 * middle + 1] <= place) low = middle + 1;
        else high = middle;
    }
    return low < gaps->num && gaps->bounds[2 * low] <= place;
}

/* Followers of the places [low, high), at most SAMPLE of them evenly taken, into `room`. */
static void followers_of_places(Followers *f, const Index *x, const Gaps *gaps, i64 low, i64 high, u16 *room) {
    i64 all = high - low, num = all < SAMPLE ? all : SAMPLE;
    i32 kept = 0;
    for (i64 k = 0; k < num; k++) {
        i64 at = all == num ? low + k : low + k * all / num;
        if (gaps->num && in_gap(gaps, x->places[at])) continue;
        room[kept++] = x->followers[at];
    }
    sort_symbols(room, kept);
    f->symbols = room;
    f->num = f->right = kept;
}

static void add_run(Followers *f, const Run *run, int context, u64 hash) {
    const u64 *keys = run->keys + run->offsets[context];
    i32 n = (i32)(run->offsets[context + 1] - run->offsets[context]);
    u64 key = hash & ~(u64)RARE;
    i32 low = lower_key(keys, 0, n, key), high = low;
    while (high < n && high < low + 8 && keys[high] <= (key | RARE)) high++;
    if (high == low + 8) high = key == ~(u64)RARE ? n : lower_key(keys, high, n, key + RARE + 1);
    if (low == high) return;
    int k = f->num_runs++;
    f->run[k] = keys + low;
    f->run_num[k] = f->run_right[k] = high - low;
    f->run_left[k] = 0;
    f->run_sign[k] = run->sign > 0 ? 1 : -1;
}

/* n[0], n[1]: occurrences on either side of a node's middle; middles: where they part, for `enter`. */
typedef struct {
    i32 at, run_at[MAX_RUNS];
} Middle;

static inline void count_sides(const Followers *f, u32 middle, i32 *n0, i32 *n1, Middle *m) {
    i32 a = 0, b = 0;
    m->at = f->left;
    if (f->right > f->left) {
        m->at = lower_symbol(f->symbols, f->left, f->right, middle);
        i32 start = count_below(f, f->left), part = count_below(f, m->at), stop = count_below(f, f->right);
        a = part - start;
        b = stop - part;
    }
    for (int k = 0; k < f->num_runs; k++) {
        i32 left = f->run_left[k], right = f->run_right[k];
        m->run_at[k] = left;
        if (left == right) continue;
        i32 at = m->run_at[k] = lower_key(f->run[k], left, right, (f->run[k][left] & ~(u64)RARE) | middle);
        a += f->run_sign[k] * (at - left);
        b += f->run_sign[k] * (right - at);
    }
    *n0 = a > 0 ? a : 0; /* a damaged index may say less than what is taken out */
    *n1 = b > 0 ? b : 0;
}

static inline void enter_side(Followers *f, const Middle *m, int bit) {
    *(bit ? &f->left : &f->right) = m->at;
    for (int k = 0; k < f->num_runs; k++) *(bit ? &f->run_left[k] : &f->run_right[k]) = m->run_at[k];
}

/* As if one had entered every node from the root down to the one with the symbols [low, high). */
static void enter_interval(Followers *f, u32 low, u32 high, int open_end) {
    f->left = lower_symbol(f->symbols, 0, f->num, low);
    f->right = open_end ? f->num : lower_symbol(f->symbols, f->left, f->num, high);
    for (int k = 0; k < f->num_runs; k++) {
        if (!f->run_num[k]) continue;
        u64 base = f->run[k][0] & ~(u64)RARE;
        f->run_left[k] = lower_key(f->run[k], 0, f->run_num[k], base | low);
        f->run_right[k] = open_end ? f->run_num[k] : lower_key(f->run[k], f->run_left[k], f->run_num[k], base | high);
    }
}

#endif
