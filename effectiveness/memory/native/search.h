/* From chances at nodes to tokens: the likeliest ones by best-first search, or all of them. */
#ifndef MEMORY_SEARCH_H
#define MEMORY_SEARCH_H

#include "reader.h"

typedef struct {
    double p;
    i32 node; /* < 0: ~token */
    i32 depth;
} Open;

static inline int likelier(const Open *a, const Open *b) { return a->p != b->p ? a->p > b->p : a->node > b->node; }

static void heap_push(Open *heap, i64 n, Open item) {
    while (n > 0 && likelier(&item, &heap[(n - 1) / 2])) {
        heap[n] = heap[(n - 1) / 2];
        n = (n - 1) / 2;
    }
    heap[n] = item;
}

static Open heap_pop(Open *heap, i64 n) {
    Open best = heap[0], last = heap[n - 1];
    i64 at = 0;
    for (i64 child; (child = 2 * at + 1) < n - 1; at = child) {
        if (child + 1 < n - 1 && likelier(&heap[child + 1], &heap[child])) child++;
        if (!likelier(&heap[child], &last)) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return best;
}

/* The k likeliest tokens in order; returns how many there are, or -1 without memory. */
static i64 likeliest(Reader *r, i64 k, u32 *tokens, float *chances) {
    i64 room = 256, n = 0, found = 0;
    Open *heap = malloc(sizeof(Open) * (size_t)room);
    if (!heap) return -1;
    prepare(r);
    r->now = r->path;
    heap_push(heap, n++, (Open){1, 0, 0});
    while (n > 0 && found < k) {
        Open best = heap_pop(heap, n--);
        if (best.node < 0) {
            tokens[found] = (u32)~best.node;
            chances[found++] = (float)best.p;
            continue;
        }
        if (n + 2 > room) {
            Open *grown = realloc(heap, sizeof(Open) * (size_t)(room *= 2));
            if (!grown) {
                free(heap);
                return -1;
            }
            heap = grown;
        }
        visit(r, best.node);
        double right = (double)node_chance(r, best.node, best.depth);
        const i32 *child = r->index->nodes[best.node].child;
        heap_push(heap, n++, (Open){best.p * (1 - right), child[0], best.depth + 1});
        heap_push(heap, n++, (Open){best.p * right, child[1], best.depth + 1});
    }
    free(heap);
    visit(r, 0);
    return found;
}

/* Shares of the tokens of an unlikely subtree: as often as they stand in the text, and a little for each. */
static void fill_by_frequency(const Reader *r, const i32 *token_of_rank, i32 low, i32 high, double p, float *out) {
    const u32 *sums = r->index->rank_sums;
    double total = (double)(sums[high] - sums[low]) + 0.3 * (high - low);
    for (i32 rank = low; rank < high; rank++)
        out[token_of_rank[rank]] = (float)(p * ((double)(sums[rank + 1] - sums[rank]) + 0.3) / total);
}

/* Probability of every token. Subtrees that are reached with less than `floor` are not opened: their tokens share it by
 * frequency. The sum is 1 but for rounding. */
static int all_chances(Reader *r, const i32 *token_of_rank, double floor, float *out) {
    i64 room = 256, n = 0;
    Open *stack = malloc(sizeof(Open) * (size_t)room);
    if (!stack) return -1;
    prepare(r);
    r->now = r->path;
    stack[n++] = (Open){1, 0, 0};
    while (n > 0) {
        Open item = stack[--n];
        if (item.node < 0) {
            out[~item.node] = (float)item.p;
            continue;
        }
        const Node *node = &r->index->nodes[item.node];
        if (item.p < floor) {
            fill_by_frequency(r, token_of_rank, node->low, node->high, item.p, out);
            continue;
        }
        if (n + 2 > room) {
            Open *grown = realloc(stack, sizeof(Open) * (size_t)(room *= 2));
            if (!grown) {
                free(stack);
                return -1;
            }
            stack = grown;
        }
        visit(r, item.node);
        double right = (double)node_chance(r, item.node, item.depth);
        stack[n++] = (Open){item.p * (1 - right), node->child[0], item.depth + 1};
        stack[n++] = (Open){item.p * right, node->child[1], item.depth + 1};
    }
    free(stack);
    visit(r, 0);
    return 0;
}

#endif
