/* layouts.h: small data sets in the layouts that the sources document, made anew for each test. Pictures are flat
 * colours with a square in another one; the texts are ours. */
#ifndef RAP_TESTS_DATASET_LAYOUTS_H
#define RAP_TESTS_DATASET_LAYOUTS_H

#include "base/buf.h"
#include "base/file.h"
#include "image/augment.h"
#include "image/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char work[64];

static inline int make_work(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-dataset-XXXXXX");
    return mkdtemp(work) ? 0 : -1;
}

static inline int remove_work(void **state)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

/* The path of a file in the work folder; good until the eighth call after this one. */
static inline const char *in(const char *name)
{
    static char path[8][320];
    static int next;

    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[0], "%s/%s", work, name);
    return path[next];
}

static inline void write_text(const char *name, const char *text)
{
    char *folder = path_folder(in(name));

    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(file_write(in(name), text, strlen(text), NULL), RAP_OK);
    free(folder);
}

/* A picture of 200 × 160 with a square of 80 at (40, 30). */
static inline void write_picture(const char *name, uint32_t color)
{
    char *folder = path_folder(in(name));
    image im = { 0 };

    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(page_new(&im, 200, 160, 0x808080 ^ (color >> 1), NULL), RAP_OK);
    page_fill(&im, 40, 30, 80, 80, color);
    if (strcmp(path_extension(name), "png") == 0)
        assert_int_equal(image_save_png(&im, in(name), NULL), RAP_OK);
    else
        assert_int_equal(image_save_jpeg(&im, in(name), 90, NULL), RAP_OK);
    image_release(&im);
    free(folder);
}

static inline void make_coco(void)
{
    write_picture("coco/images/one.jpg", 0xC02020);
    write_picture("coco/images/two.jpg", 0x20C020);
    write_picture("coco/images/three.jpg", 0x2020C0);
    /* Annotations first: the tables may come behind them. */
    write_text("coco/instances.json",
               "{\"annotations\": [\n"
               "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [40, 30, 80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 2, \"image_id\": 1, \"category_id\": 2, \"bbox\": [120, 30, 60, 60], \"iscrowd\": 0},\n"
               "{\"id\": 3, \"image_id\": 1, \"category_id\": 2, \"bbox\": [150, 90, 8, 8], \"iscrowd\": 0},\n"
               "{\"id\": 4, \"image_id\": 2, \"category_id\": 1, \"bbox\": [40, 30, 80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 5, \"image_id\": 2, \"category_id\": 1, \"bbox\": [400, 30, 80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 6, \"image_id\": 2, \"category_id\": 1, \"bbox\": [40, 30, -80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 7, \"image_id\": 3, \"category_id\": 1, \"bbox\": [0, 0, 200, 160], \"iscrowd\": 1},\n"
               "{\"id\": 8, \"image_id\": 9, \"category_id\": 1, \"bbox\": [0, 0, 100, 100], \"iscrowd\": 0},\n"
               "{\"id\": 9, \"image_id\": 3, \"category_id\": 1, \"bbox\": [1e300, 0, 100, 100], \"iscrowd\": 0},\n"
               "{\"id\": 10, \"image_id\": 3, \"category_id\": 2, \"bbox\": [40, 30, 80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 11, \"image_id\": 4, \"category_id\": 2, \"bbox\": [40, 30, 80, 80], \"iscrowd\": 0},\n"
               "{\"id\": 12, \"image_id\": 5, \"category_id\": 2, \"bbox\": [40, 30, 80, 80], \"iscrowd\": 0}],\n"
               "\"categories\": [{\"id\": 1, \"name\": \"dog\"}, {\"id\": 2, \"name\": \"cup\"}],\n"
               "\"images\": [{\"id\": 2, \"file_name\": \"two.jpg\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 1, \"file_name\": \"one.jpg\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 5, \"file_name\": \"../../../etc/passwd\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 4, \"file_name\": \"gone.jpg\", \"width\": 200, \"height\": 160},\n"
               "{\"id\": 3, \"file_name\": \"three.jpg\", \"width\": 200, \"height\": 160}]}\n");
    write_text("coco/captions.json",
               "{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"caption\": \"A dog next to two cups.\"},\n"
               "{\"id\": 2, \"image_id\": 2, \"caption\": \"The dog sleeps.\"},\n"
               "{\"id\": 3, \"image_id\": 3, \"caption\": \"A cup on a table.\"}], \"images\": []}");
}

static inline void make_tao(void)
{
    write_picture("tao/frames/v/f1.jpg", 0xC02020);
    write_picture("tao/frames/v/f2.jpg", 0xC03020);
    write_picture("tao/frames/v/f3.jpg", 0xC04020);
    write_text("tao/train.json",
               "{\"videos\": [{\"id\": 1, \"name\": \"v\"}], \"tracks\": [{\"id\": 7, \"category_id\": 1, \"video_id\": 1}],\n"
               "\"images\": [{\"id\": 31, \"file_name\": \"v/f1.jpg\", \"width\": 200, \"height\": 160, \"frame_index\": 0},\n"
               "{\"id\": 32, \"file_name\": \"v/f2.jpg\", \"width\": 200, \"height\": 160, \"frame_index\": 30},\n"
               "{\"id\": 33, \"file_name\": \"v/f3.jpg\", \"width\": 200, \"height\": 160, \"frame_index\": 60}],\n"
               "\"categories\": [{\"id\": 1, \"name\": \"dog\"}],\n"
               "\"annotations\": [{\"id\": 1, \"image_id\": 33, \"track_id\": 7, \"category_id\": 1, \"bbox\": [42, 31, 80, 80]},\n"
               "{\"id\": 2, \"image_id\": 32, \"track_id\": 7, \"category_id\": 1, \"bbox\": [41, 30, 80, 80]},\n"
               "{\"id\": 3, \"image_id\": 31, \"track_id\": 7, \"category_id\": 1, \"bbox\": [40, 30, 80, 80]},\n"
               "{\"id\": 4, \"image_id\": 31, \"track_id\": 8, \"category_id\": 1, \"bbox\": [120, 30, 60, 60]}]}\n");
}

static inline void make_vid(void)
{
    for (int frame = 0; frame < 3; frame++) {
        char name[128], xml[1024];

        snprintf(name, sizeof name, "vid/data/train/s1/%06d.JPEG", frame * 20);
        write_picture(name, 0x10C0C0u + (uint32_t)frame);
        snprintf(name, sizeof name, "vid/annotations/train/s1/%06d.xml", frame * 20);
        snprintf(xml, sizeof xml,
                 "<annotation><folder>s1</folder><size><width>200</width><height>160</height></size>"
                 "<object><trackid>0</trackid><name>n02084071</name><bndbox><xmax>%d</xmax><xmin>40"
                 "</xmin><ymax>110</ymax><ymin>30</ymin></bndbox></object></annotation>",
                 120 + frame);
        write_text(name, xml);
    }
}

static inline void make_folders(void)
{
    write_picture("objects/dog6/00.jpg", 0xA01010);
    write_picture("objects/dog6/2.jpg", 0xA01020);
    write_picture("objects/dog6/10.jpg", 0xA01030);
    write_picture("objects/bear_plushie/a.png", 0x10A010);
    write_picture("objects/bear_plushie/b.png", 0x10A020);
    write_picture("objects/lonely/a.jpg", 0x1010A0);
    write_text("objects/prompts_and_classes.txt", "Classes\nsubject_name,class\ndog6,dog\n");
}

static inline void make_custom101(void)
{
    write_picture("c101/benchmark_dataset/barn/0.jpg", 0xA05010);
    write_picture("c101/benchmark_dataset/barn/1.jpg", 0xA05020);
    write_text("c101/dataset.json",
               "[[\"not\", \"an object\"], {\"instance_prompt\": \"photo of a <new1> barn\", \"class_prompt\": \"barn\", "
               "\"instance_data_dir\": \"./data/benchmark_dataset/barn/\"},\n"
               "{\"class_prompt\": \"x\", \"instance_data_dir\": \"../../etc\"}]");
}

static inline void make_myvlm(void)
{
    write_picture("myvlm/red_chicken/a.jpg", 0xD01010);
    write_picture("myvlm/red_chicken/b.jpg", 0xD02010);
    write_text("myvlm/red_chicken/captions.json",
               "{\"b.jpg\": [\"Red chicken on a shelf.\", \"A toy.\"], \"a.jpg\": [\"red_chicken\"]}");
    write_text("myvlm/red_chicken/additional_llava_vqa_data.json",
               "{\"/data/red_chicken/b.jpg\": [[\"What color is red_chicken?\", \"It is red.\"], [\"Is it?\", \"no\"]]}");
}

static inline void make_yollava(void)
{
    write_picture("yollava/train/bo/0.png", 0xB08040);
    write_picture("yollava/train/bo/1.png", 0xB08050);
    write_picture("yollava/train/bo/negative_example/9.png", 0x0);
    write_text("yollava/conversations.json",
               "{\"./yollava-data/train/bo/1.png\": [{\"Human\": \"<image>\\nWhat is <sks> doing?\", \"AI\": \"<sks> sits.\"}]}");
    write_text("yollava/database.json",
               "{\"concept_dict\": {\"<bo>\": {\"name\": \"bo\", \"image\": \"x.png\", \"info\": \"<bo> is a Shiba Inu.\", "
               "\"category\": \"dog\"}}}");
}

static inline void make_mcllava(void)
{
    write_picture("mc/two_concept/concept/train/A/0.png", 0x804010);
    write_picture("mc/two_concept/concept/train/A/0_mask.png", 0xFFFFFF);
    write_picture("mc/two_concept/concept/train/B/0.png", 0x104080);
    write_picture("mc/two_concept/concept/test/A/0.png", 0x804011);
    write_picture("mc/two_concept/concept/test/B/0.png", 0x104081);
    write_picture("mc/two_concept/multi/A_B/0.png", 0x444444);
    write_text("mc/concept_type.json", "{\"A\": \"two_concept\", \"B\": \"two_concept\", \"../x\": \"..\"}");
}

static inline void make_llava(void)
{
    write_picture("llava/images/a.jpg", 0x123456);
    write_text("llava/instruct.json",
               "[{\"id\": \"1\", \"image\": \"a.jpg\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat is it?\"}, "
               "{\"from\": \"gpt\", \"value\": \"A square.\"}]},\n"
               "{\"id\": 2, \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"gpt\", \"value\": \"Hello.\"}]},\n"
               "{\"id\": 3, \"conversations\": [{\"from\": \"gpt\", \"value\": \"first\"}, {\"from\": \"human\", \"value\": \"x\"}]},\n"
               "{\"id\": 4, \"image\": \"/etc/passwd\", \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": "
               "\"gpt\", \"value\": \"Hello.\"}]}]");
}

#endif
