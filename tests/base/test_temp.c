/* test_temp.c: temporary files and folders, also those of processes that were killed (src/base/temp.c). */
#include "base/temp.h"

#include "base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char work[64], target[128];

static int make_work(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-temp-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(target, sizeof target, "%s/out.rap", work);
    return 0;
}

static int drop_work(void **state)
{
    return rmdir(work); /* fails when a test left something behind */
}

static int entries(void)
{
    DIR *dir = opendir(work);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

/* `act` in a process of its own, which ends without a word, as a killed one does. Returns its exit code. */
static int in_a_process(int (*act)(void))
{
    int result = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(act());
    assert_int_equal(waitpid(child, &result, 0), child);
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

static int leave_both(void)
{
    temp file, folder;
    char inside[256];

    if (temp_file(&file, target, 0600, NULL) != RAP_OK ||
        temp_folder(&folder, target, 0700, NULL) != RAP_OK)
        return 1;
    snprintf(inside, sizeof inside, "%s/store.db-wal", folder.path);
    return file_write(inside, "x", 1, NULL) == RAP_OK ? 0 : 2;
}

static int make_and_remove(void)
{
    temp t;

    if (temp_file(&t, target, 0600, NULL) != RAP_OK)
        return 1;
    temp_remove(&t);
    return 0;
}

static void a_killed_process_leaves_nothing_for_long(void **state)
{
    char alike[160], link_name[160];

    snprintf(alike, sizeof alike, "%s/mine.rap-tmp-ABCDEF012345",
             work); /* capitals: not of our making */
    snprintf(link_name, sizeof link_name, "%s/l.rap-tmp-abcdef012345", work);
    assert_int_equal(file_write(alike, "x", 1, NULL), RAP_OK);
    assert_int_equal(symlink("/etc/hostname", link_name), 0);
    assert_int_equal(in_a_process(leave_both), 0);
    assert_int_equal(entries(), 4);
    assert_int_equal(in_a_process(make_and_remove), 0);
    assert_int_equal(entries(), 2);
    assert_int_equal(unlink(alike) | unlink(link_name), 0);
}

static void what_another_process_uses_stays(void **state)
{
    temp file, folder;
    char inside[256];

    assert_int_equal(temp_file(&file, target, 0600, NULL), RAP_OK);
    assert_int_equal(temp_folder(&folder, target, 0700, NULL), RAP_OK);
    snprintf(inside, sizeof inside, "%s/full.db", folder.path);
    assert_int_equal(file_write(inside, "x", 1, NULL), RAP_OK);
    assert_int_equal(in_a_process(make_and_remove), 0);
    assert_true(file_exists(file.path) && file_exists(inside));
    temp_remove(&file);
    temp_remove(&folder);
    temp_remove(&folder);
    assert_int_equal(entries(), 0);
}

static void many_processes_write_the_same_file(void **state)
{
    enum { PROCESSES = 8, ROUNDS = 50 };
    char *text = NULL;
    size_t size = 0;

    for (int i = 0; i < PROCESSES; i++) {
        pid_t child = fork();

        if (child == 0) {
            int bad = 0;

            for (int k = 0; k < ROUNDS; k++)
                bad |= file_write_cache(target, &(file_part){ "whole", 5 }, 1, NULL) != RAP_OK;
            _exit(bad);
        }
        assert_true(child > 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int result = 1;

        assert_true(wait(&result) > 0);
        assert_int_equal(result, 0);
    }
    assert_int_equal(file_read(&text, &size, target, 10, NULL), RAP_OK);
    assert_string_equal(text, "whole");
    free(text);
    assert_int_equal(entries(), 1);
    unlink(target);
}

static void a_signal_handler_removes_its_own(void **state)
{
    temp file, folder;
    char inside[256];
    int result;
    pid_t child;

    assert_int_equal(temp_file(&file, target, 0600, NULL), RAP_OK);
    assert_int_equal(temp_folder(&folder, target, 0700, NULL), RAP_OK);
    for (int i = 0; i < 300; i++) { /* more than one call of getdents64() gives */
        snprintf(inside, sizeof inside, "%s/file-with-a-longer-name-%d", folder.path, i);
        assert_int_equal(file_write_cache(inside, NULL, 0, NULL), RAP_OK);
    }
    child = fork();
    if (child == 0) {
        temp_remove_all(); /* of the parent's it removes none */
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(entries(), 2);
    temp_remove_all();
    assert_int_equal(entries(), 0);
    temp_remove(&file);
    temp_remove(&folder);
}

static void published_as_asked(void **state)
{
    temp t;
    struct stat info;
    rap_err err;

    assert_int_equal(temp_file(&t, target, 0600, NULL), RAP_OK);
    assert_int_equal(temp_publish(&t, target, TEMP_NEW, &err), RAP_OK);
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(temp_file(&t, target, 0600, NULL), RAP_OK);
    assert_int_equal(temp_publish(&t, target, TEMP_NEW, &err), RAP_E_EXISTS);
    assert_non_null(strstr(err.text, target));
    assert_int_equal(temp_file(&t, target, 0600, NULL), RAP_OK);
    assert_int_equal(temp_publish(&t, target, TEMP_REPLACE, &err), RAP_OK);
    assert_int_equal(entries(), 1);
    unlink(target);
    assert_int_equal(temp_file(&t, "/nowhere/x", 0600, &err), RAP_E_NOT_FOUND);
    assert_string_equal(err.text, "/nowhere/x: no such file or folder");
}

/* As a profile is made: the folder is renamed, and then the temporary one is released. */
static void a_folder_that_was_renamed_keeps_its_files(void **state)
{
    char inside[256], place[128], kept[160], command[192];
    temp t;

    snprintf(place, sizeof place, "%s/made", work);
    assert_int_equal(temp_folder(&t, target, 0700, NULL), RAP_OK);
    snprintf(inside, sizeof inside, "%s/file", t.path);
    assert_int_equal(file_write(inside, "x", 1, NULL), RAP_OK);
    assert_int_equal(rename(t.path, place), 0);
    temp_remove(&t);
    snprintf(kept, sizeof kept, "%s/file", place);
    assert_true(file_exists(kept));
    snprintf(command, sizeof command, "rm -r '%s'", place);
    assert_int_equal(system(command), 0);
}

static void the_longest_name_has_room(void **state)
{
    char path[64 + 256];
    size_t len;

    snprintf(path, sizeof path, "%s/", work);
    len = strlen(path);
    memset(path + len, 'x', 255);
    path[len + 255] = '\0';
    assert_int_equal(file_write(path, "x", 1, NULL), RAP_OK);
    assert_int_equal(unlink(path), 0);
}

/* A file system gives the inode of a folder that is gone to a new one, which is then another folder. */
static void a_new_folder_is_swept_whatever_its_inode(void **state)
{
    char folder[96], inside[128], left[160];

    (void)state;
    snprintf(folder, sizeof folder, "%s/again", work);
    snprintf(inside, sizeof inside, "%s/out", folder);
    snprintf(left, sizeof left, "%s/out.rap-tmp-abcdefgh0123", folder);
    for (int i = 0; i < 3; i++) {
        temp t;
        FILE *f;

        assert_int_equal(mkdir(folder, 0700), 0);
        f = fopen(left, "w"); /* file_write() would sweep the folder first */
        assert_non_null(f);
        fclose(f);
        assert_int_equal(temp_file(&t, inside, 0600, NULL), RAP_OK);
        temp_remove(&t);
        assert_int_equal(access(left, F_OK), -1);
        assert_int_equal(rmdir(folder), 0);
        usleep(30000); /* times of birth are counted in ticks */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_leaves_nothing_for_long),
        cmocka_unit_test(what_another_process_uses_stays),
        cmocka_unit_test(many_processes_write_the_same_file),
        cmocka_unit_test(a_signal_handler_removes_its_own),
        cmocka_unit_test(published_as_asked),
        cmocka_unit_test(a_folder_that_was_renamed_keeps_its_files),
        cmocka_unit_test(a_new_folder_is_swept_whatever_its_inode),
        cmocka_unit_test(the_longest_name_has_room),
    };

    return cmocka_run_group_tests(tests, make_work, drop_work);
}
