/* pool.c: one bounded heap a kind. */
#include "dataset/pool.h"

#include "base/mem.h"
#include "dataset/random.h"

#include <stdlib.h>
#include <string.h>

void dataset_pool_init(dataset_pool *p, uint64_t seed, const uint64_t wanted[KIND_COUNT])
{
    memset(p, 0, sizeof *p);
    p->seed = seed;
    for (int k = 0; k < KIND_COUNT; k++)
        p->kind[k].wanted = wanted[k];
}

void dataset_pool_release(dataset_pool *p)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        for (size_t i = 0; i < p->kind[k].count; i++)
            dataset_item_free(p->kind[k].choice[i].item);
        free(p->kind[k].choice);
    }
    memset(p, 0, sizeof *p);
}

/* By number, and where two are equal by key and order, so that the order is always the same. */
static int before(const dataset_choice *a, const dataset_choice *b)
{
    int keys = a->number == b->number ? strcmp(a->item->key, b->item->key) : 0;

    if (a->number != b->number)
        return a->number < b->number;
    return keys != 0 ? keys < 0 : a->item->order < b->item->order;
}

static void swap(dataset_choice *a, dataset_choice *b)
{
    dataset_choice t = *a;

    *a = *b;
    *b = t;
}

static void sift_up(dataset_choice *heap, size_t i)
{
    for (; i > 0 && before(&heap[(i - 1) / 2], &heap[i]); i = (i - 1) / 2)
        swap(&heap[(i - 1) / 2], &heap[i]);
}

static void sift_down(dataset_choice *heap, size_t count)
{
    for (size_t i = 0;;) {
        size_t largest = i, left = 2 * i + 1;

        for (size_t child = left; child < left + 2 && child < count; child++)
            if (before(&heap[largest], &heap[child]))
                largest = child;
        if (largest == i)
            return;
        swap(&heap[i], &heap[largest]);
        i = largest;
    }
}

static rap_status offer(dataset_pool *p, int k, dataset_item *item, rap_err *err)
{
    draw d = draw_for(p->seed, dataset_kind_name(k), item->key);
    dataset_choice choice = { draw_bits(&d), item }, *grown;

    p->kind[k].offered++;
    if (p->kind[k].wanted == 0)
        return RAP_OK;
    if (p->kind[k].count == p->kind[k].wanted) {
        if (!before(&choice, &p->kind[k].choice[0]))
            return RAP_OK;
        dataset_item_free(p->kind[k].choice[0].item);
        p->kind[k].choice[0] = (dataset_choice){ choice.number, dataset_item_keep(item) };
        sift_down(p->kind[k].choice, p->kind[k].count);
        return RAP_OK;
    }
    grown = mem_grow(p->kind[k].choice, p->kind[k].count, &p->kind[k].room, sizeof *grown);
    if (!grown)
        return err_memory(err, "choosing samples");
    p->kind[k].choice = grown;
    grown[p->kind[k].count] = (dataset_choice){ choice.number, dataset_item_keep(item) };
    sift_up(p->kind[k].choice, p->kind[k].count++);
    return RAP_OK;
}

rap_status dataset_pool_offer(dataset_pool *p, dataset_item *item, rap_err *err)
{
    rap_status status = RAP_OK;

    item->order = p->offered++;
    for (int k = 0; status == RAP_OK && k < KIND_COUNT; k++)
        if (dataset_item_serves(item, k))
            status = offer(p, k, item, err);
    return status;
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

static int by_key(const void *a, const void *b)
{
    const dataset_item *x = *(dataset_item *const *)a, *y = *(dataset_item *const *)b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* Marks every item whose key an earlier one has. */
static rap_status mark_twice(dataset_pool *p, dataset_report *report, rap_err *err)
{
    size_t count = 0, room = 1;
    dataset_item **item;

    for (int k = 0; k < KIND_COUNT; k++)
        room += p->kind[k].count;
    item = mem_array(room, sizeof(dataset_item *));
    if (!item)
        return err_memory(err, "choosing samples");
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; i < p->kind[k].count; i++)
            item[count++] = p->kind[k].choice[i].item;
    qsort(item, count, sizeof *item, by_key);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(item[i]->key, item[first]->key) != 0)
            first = i;
        if (item[i] != item[first] && !item[i]->twice) {
            item[i]->twice = 1;
            report_drop(report, DROP_TWICE, "%s", item[i]->key);
        }
    }
    free(item);
    return RAP_OK;
}

rap_status dataset_pool_close(dataset_pool *p, dataset_report *report, rap_err *err)
{
    rap_status status = mark_twice(p, report, err);

    for (int k = 0; status == RAP_OK && k < KIND_COUNT; k++) {
        dataset_choice *choice = p->kind[k].choice;
        size_t kept = 0;

        for (size_t i = 0; i < p->kind[k].count; i++)
            if (choice[i].item->twice)
                dataset_item_free(choice[i].item);
            else
                choice[kept++] = choice[i];
        p->kind[k].count = kept;
        if (kept > 1)
            qsort(choice, kept, sizeof *choice, compare);
    }
    return status;
}
