/* The vocabulary as a binary tree whose neighbours are used alike, so that a count at an inner node says something about
 * all tokens below it. Vectors: square roots of the shares of each token's left and right neighbours (Hellinger rows),
 * brought to a few dimensions by subspace iteration; split again and again on the first principal axis at the weighted
 * median. Tokens that were not seen stand in one balanced subtree at the end. */
#ifndef MEMORY_TREE_H
#define MEMORY_TREE_H

#include "base.h"

enum { DIMENSIONS = 24 };

/* Inner node: children (>= 0 inner node, < 0: ~token) and the interval [low, middle, high) of the ranks of its leaves. */
typedef struct {
    i32 child[2];
    i32 low, middle, high;
} Node;

typedef struct {
    u32 row, column;
    float value;
} Cell;

/* out[columns or rows] += sparse matrix (or its transpose) times x; DIMENSIONS values a row. */
static void multiply(const Cell *cells, i64 num_cells, const double *x, double *out, int transposed) {
    for (i64 k = 0; k < num_cells; k++) {
        const double *from = x + (i64)(transposed ? cells[k].row : cells[k].column) * DIMENSIONS;
        double *to = out + (i64)(transposed ? cells[k].column : cells[k].row) * DIMENSIONS;
        for (int d = 0; d < DIMENSIONS; d++) to[d] += cells[k].value * from[d];
    }
}

static double square_root(double x) { /* Newton; exact enough and the same everywhere */
    if (x <= 0) return 0;
    double r = x > 1 ? x : 1;
    for (int k = 0; k < 60; k++) {
        double next = 0.5 * (r + x / r);
        if (next >= r) break;
        r = next;
    }
    return r;
}

static void orthonormalize(double *x, i64 rows) {
    for (int d = 0; d < DIMENSIONS; d++) {
        for (int e = 0; e <= d; e++) {
            double dot = 0;
            for (i64 r = 0; r < rows; r++) dot += x[r * DIMENSIONS + d] * x[r * DIMENSIONS + e];
            if (e < d) {
                for (i64 r = 0; r < rows; r++) x[r * DIMENSIONS + d] -= dot * x[r * DIMENSIONS + e];
            } else {
                double scale = dot > 1e-30 ? 1 / square_root(dot) : 0;
                for (i64 r = 0; r < rows; r++) x[r * DIMENSIONS + d] *= scale;
            }
        }
    }
}

/* Vectors [rows, DIMENSIONS] of the rows of a sparse matrix in the space of its first right singular vectors.
 * `weight`: how much a row counts in choosing that space. Returns 0, or -1 without memory. */
static int embed(const Cell *cells, i64 num_cells, const float *weight, i64 rows, i64 columns, u64 seed, double *vectors) {
    double *basis = malloc(sizeof(double) * (size_t)columns * DIMENSIONS);
    if (!basis) return -1;
    for (i64 k = 0; k < columns * DIMENSIONS; k++) basis[k] = random_unit(&seed);
    for (int round = 0; round < 5; round++) {
        orthonormalize(basis, columns);
        memset(vectors, 0, sizeof(double) * (size_t)rows * DIMENSIONS);
        multiply(cells, num_cells, basis, vectors, 0);
        if (round == 4) break;
        for (i64 r = 0; r < rows; r++)
            for (int d = 0; d < DIMENSIONS; d++) vectors[r * DIMENSIONS + d] *= weight[r];
        memset(basis, 0, sizeof(double) * (size_t)columns * DIMENSIONS);
        multiply(cells, num_cells, vectors, basis, 1);
    }
    free(basis);
    return 0;
}

typedef struct {
    double key;
    u32 token;
} Keyed;

static int compare_keyed(const void *a, const void *b) {
    const Keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* First principal axis of weighted vectors by power iteration. */
static void principal_axis(const Keyed *items, i64 n, const double *vectors, const double *mass, double *mean, double *axis) {
    double cov[DIMENSIONS][DIMENSIONS] = {{0}}, total = 0;
    memset(mean, 0, sizeof(double) * DIMENSIONS);
    for (i64 k = 0; k < n; k++) {
        const double *v = vectors + (i64)items[k].token * DIMENSIONS;
        total += mass[items[k].token];
        for (int d = 0; d < DIMENSIONS; d++) mean[d] += mass[items[k].token] * v[d];
    }
    for (int d = 0; d < DIMENSIONS; d++) mean[d] /= total;
    for (i64 k = 0; k < n; k++) {
        const double *v = vectors + (i64)items[k].token * DIMENSIONS;
        double c[DIMENSIONS], m = mass[items[k].token];
        for (int d = 0; d < DIMENSIONS; d++) c[d] = v[d] - mean[d];
        for (int d = 0; d < DIMENSIONS; d++)
            for (int e = 0; e < DIMENSIONS; e++) cov[d][e] += m * c[d] * c[e];
    }
    int widest = 0;
    for (int d = 1; d < DIMENSIONS; d++)
        if (cov[d][d] > cov[widest][widest]) widest = d;
    for (int d = 0; d < DIMENSIONS; d++) axis[d] = cov[d][widest] + (d == widest) * 1e-12;
    for (int round = 0; round < 24; round++) {
        double next[DIMENSIONS] = {0}, norm = 0;
        for (int d = 0; d < DIMENSIONS; d++) {
            for (int e = 0; e < DIMENSIONS; e++) next[d] += cov[d][e] * axis[e];
            norm += next[d] * next[d];
        }
        if (norm < 1e-60) return;
        double scale = 1 / square_root(norm);
        for (int d = 0; d < DIMENSIONS; d++) axis[d] = next[d] * scale;
    }
}

typedef struct {
    const double *vectors, *mass;
    Node *nodes;
    i32 num_nodes;
    i32 *rank;
    i32 next_rank;
} Grower;

/* Where to cut items that are in order: at half of their mass. */
static i64 median_cut(const Keyed *items, i64 n, const double *mass, double *left_mass, double *total) {
    double sum = 0, best = -1, passed = 0;
    i64 cut = 1;
    for (i64 k = 0; k < n; k++) sum += mass[items[k].token];
    for (i64 k = 0; k + 1 < n; k++) {
        passed += mass[items[k].token];
        double off = passed > sum / 2 ? passed - sum / 2 : sum / 2 - passed;
        if (best < 0 || off < best) {
            best = off;
            cut = k + 1;
        }
    }
    *left_mass = best;
    *total = sum;
    return cut;
}

/* Order items for a split and return the number that go left. A heavy token stands alone on the right. */
static i64 split_items(const Grower *g, Keyed *items, i64 n) {
    if (n == 2) return 1;
    double mean[DIMENSIONS], axis[DIMENSIONS], off, total, spread_low = 0, spread_high = 0;
    principal_axis(items, n, g->vectors, g->mass, mean, axis);
    for (i64 k = 0; k < n; k++) {
        const double *v = g->vectors + (i64)items[k].token * DIMENSIONS;
        double dot = 0;
        for (int d = 0; d < DIMENSIONS; d++) dot += (v[d] - mean[d]) * axis[d];
        items[k].key = dot;
        spread_low = k == 0 || dot < spread_low ? dot : spread_low;
        spread_high = k == 0 || dot > spread_high ? dot : spread_high;
    }
    if (spread_high - spread_low < 1e-9)
        for (i64 k = 0; k < n; k++) items[k].key = -g->mass[items[k].token];
    qsort(items, (size_t)n, sizeof *items, compare_keyed);
    i64 cut = median_cut(items, n, g->mass, &off, &total), heavy = 0;
    for (i64 k = 1; k < n; k++)
        if (g->mass[items[k].token] > g->mass[items[heavy].token]) heavy = k;
    double weight = g->mass[items[heavy].token], alone = weight > total / 2 ? weight - total / 2 : total / 2 - weight;
    if (alone >= off * 0.7 && weight <= 0.45 * total) return cut;
    Keyed held = items[heavy];
    memmove(items + heavy, items + heavy + 1, sizeof *items * (size_t)(n - 1 - heavy));
    items[n - 1] = held;
    return n - 1;
}

/* A subtree over items; returns its reference (inner node, or ~token). Depth of recursion: a split that leaves one token
 * alone goes on in the loop of its caller's left side, at most one level a token of a vocabulary: kept small by halving. */
static i32 grow(Grower *g, Keyed *items, i64 n, int balanced) {
    if (n == 1) {
        g->rank[items[0].token] = g->next_rank++;
        return ~(i32)items[0].token;
    }
    i32 id = g->num_nodes++;
    i64 left = balanced ? n / 2 : split_items(g, items, n);
    i32 low = g->next_rank;
    i32 first = grow(g, items, left, balanced);
    i32 middle = g->next_rank;
    i32 second = grow(g, items + left, n - left, balanced);
    g->nodes[id] = (Node){{first, second}, low, middle, g->next_rank};
    return id;
}

/* The tree of the seen tokens, and at its last leaf that of the unseen: so it costs no other token a step. */
static void grow_both(Grower *g, Keyed *items, i64 seen, i64 unseen) {
    if (seen < 2 || unseen == 0) {
        grow(g, items, seen + unseen, seen < 2);
        return;
    }
    grow(g, items, seen, 0);
    i32 last = 0, rare_from = g->next_rank, id = g->num_nodes++;
    i32 rare = grow(g, items + seen, unseen, 1);
    for (g->nodes[0].high = g->next_rank; g->nodes[last].child[1] >= 0; g->nodes[last].high = g->next_rank) last = g->nodes[last].child[1];
    g->nodes[id] = (Node){{g->nodes[last].child[1], rare}, rare_from - 1, rare_from, g->next_rank};
    g->nodes[last].child[1] = id;
}

#endif
