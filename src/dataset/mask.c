/* mask.c: see mask.h. Everything is checked when it is read, so that filling cannot leave the picture. */
#include "dataset/mask.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 20000, MOST_RINGS = 4096, MOST_RUNS = 4 << 20 };

#define FARTHEST 1e6 /* pixels */

void mask_free(dataset_mask *m)
{
    if (!m)
        return;
    free(m->point);
    free(m->ring);
    free(m->run);
    free(m);
}

/* ---- polygons ---- */

static bool count_points(dataset_mask *m, const json_t *polygons)
{
    size_t rings = json_array_size(polygons), points = 0;

    for (size_t i = 0; i < rings; i++) {
        size_t numbers = json_array_size(json_array_get(polygons, i));

        if (numbers < 6 || numbers % 2 || numbers > 2 * MOST_POINTS)
            return false;
        points += numbers / 2;
    }
    m->rings = (uint32_t)rings;
    m->points = (uint32_t)points;
    return rings > 0 && rings <= MOST_RINGS && points <= MOST_POINTS;
}

static bool read_polygons(dataset_mask *m, const json_t *polygons)
{
    float *to;

    if (!count_points(m, polygons))
        return false;
    to = m->point = mem_array(m->points, 2 * sizeof *m->point);
    m->ring = mem_array(m->rings, sizeof *m->ring);
    if (!m->point || !m->ring)
        return false;
    for (uint32_t i = 0; i < m->rings; i++) {
        const json_t *ring = json_array_get(polygons, i);

        m->ring[i] = (uint32_t)(json_array_size(ring) / 2);
        for (size_t k = 0; k < json_array_size(ring); k++) {
            double number = json_number_value(json_array_get(ring, k));

            if (!json_is_number(json_array_get(ring, k)) || !(fabs(number) < FARTHEST))
                return false;
            *to++ = (float)number;
        }
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void fill_row(uint8_t *row, int width, float *crossing, int crossings)
{
    qsort(crossing, (size_t)crossings, sizeof *crossing, by_place);
    for (int i = 0; i + 1 < crossings; i += 2) {
        int from = (int)ceilf(fmaxf(crossing[i] - 0.5f, 0));
        int to = (int)ceilf(fminf(crossing[i + 1] - 0.5f, (float)width));

        if (to > from)
            memset(row + (size_t)from * 3, 255, (size_t)(to - from) * 3);
    }
}

/* The pixels whose centre is inside, by the even-odd rule, a polygon at a time. */
static void fill_ring(uint8_t *cover, const dataset_mask *m, const float *point, uint32_t points,
                      float *crossing)
{
    float top = point[1], bottom = point[1];

    for (uint32_t i = 1; i < points; i++) {
        top = fminf(top, point[2 * i + 1]);
        bottom = fmaxf(bottom, point[2 * i + 1]);
    }
    for (int y = (int)fmaxf(top - 1, 0); y < m->height && (float)y < bottom; y++) {
        float centre = (float)y + 0.5f;
        int crossings = 0;

        for (uint32_t i = 0; i < points; i++) {
            const float *a = point + 2 * i, *b = point + 2 * ((i + 1) % points);

            if ((a[1] <= centre) != (b[1] <= centre))
                crossing[crossings++] = a[0] + (centre - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
        }
        fill_row(cover + (size_t)y * (size_t)m->width * 3, m->width, crossing, crossings);
    }
}

static void fill_polygons(uint8_t *cover, const dataset_mask *m)
{
    const float *point = m->point;
    float *crossing = mem_array(m->points, sizeof *crossing);

    for (uint32_t i = 0; crossing && i < m->rings; i++) {
        fill_ring(cover, m, point, m->ring[i], crossing);
        point += 2 * (size_t)m->ring[i];
    }
    free(crossing);
}

/* ---- runs ---- */

/* One number of a text of runs: five bits a character, the least first; bit 6 says that more follow, and bit 5 of the last
 * is the sign. */
static bool next_number(int64_t *out, const char **at)
{
    int64_t value = 0;
    int shift = 0, c;

    do {
        c = (unsigned char)**at - 48;
        if (c < 0 || c > 63 || shift > 30)
            return false;
        value |= (int64_t)(c & 31) << shift;
        shift += 5;
        ++*at;
    } while (c & 32);
    *out = c & 16 ? value - ((int64_t)1 << shift) : value;
    return true;
}

static bool add_run(dataset_mask *m, int64_t length)
{
    if (length < 0 || length > UINT32_MAX)
        return false;
    m->run[m->runs++] = (uint32_t)length;
    return true;
}

/* From the third run on a text holds the difference to the one before the last. */
static bool read_text(dataset_mask *m, const char *text)
{
    bool good = (m->run = mem_array(strlen(text) + 1, sizeof *m->run)) != NULL;

    while (good && *text) {
        int64_t number = 0;

        good = next_number(&number, &text);
        if (good && m->runs > 2)
            number += m->run[m->runs - 2];
        good = good && add_run(m, number);
    }
    return good;
}

static bool read_list(dataset_mask *m, const json_t *list)
{
    bool good = (m->run = mem_array(json_array_size(list) + 1, sizeof *m->run)) != NULL;

    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const json_t *number = json_array_get(list, i);

        good = json_is_integer(number) && add_run(m, json_integer_value(number));
    }
    return good;
}

static bool read_runs(dataset_mask *m, const json_t *object)
{
    const json_t *size = json_object_get(object, "size"),
                 *counts = json_object_get(object, "counts");
    uint64_t sum = 0;
    bool good = json_integer_value(json_array_get(size, 0)) == m->height &&
                json_integer_value(json_array_get(size, 1)) == m->width;

    if (good && json_is_string(counts))
        good = json_string_length(counts) <= MOST_RUNS && read_text(m, json_string_value(counts));
    else
        good = good && json_array_size(counts) <= MOST_RUNS && read_list(m, counts);
    for (uint32_t i = 0; i < m->runs; i++)
        sum += m->run[i];
    return good && sum == (uint64_t)m->width * (uint64_t)m->height;
}

static void fill_runs(uint8_t *cover, const dataset_mask *m)
{
    size_t height = (size_t)m->height, at = 0;

    for (uint32_t i = 0; i < m->runs; at += m->run[i++])
        for (size_t k = at; i % 2 == 1 && k < at + m->run[i]; k++)
            memset(cover + (k % height * (size_t)m->width + k / height) * 3, 255, 3);
}

/* ---- both ---- */

dataset_mask *mask_parse(const json_t *segmentation, int width, int height)
{
    dataset_mask *m = width > 0 && height > 0 ? mem_array(1, sizeof *m) : NULL;
    bool good = m != NULL;

    if (good) {
        m->width = width;
        m->height = height;
        good = json_is_array(segmentation)
                   ? read_polygons(m, segmentation)
                   : json_is_object(segmentation) && read_runs(m, segmentation);
    }
    if (good)
        return m;
    mask_free(m);
    return NULL;
}

void mask_fill(uint8_t *cover, const dataset_mask *m)
{
    if (m->point)
        fill_polygons(cover, m);
    else
        fill_runs(cover, m);
}
