/* Threads that compute tasks without their caller: an event loop hands one over and goes on.
 *
 * A finished task is announced by a byte to a file descriptor that the loop watches. No thread of
 * the pool ever runs anything of the caller's, so none of them waits for its interpreter. */
#define _GNU_SOURCE /* names of threads */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ctr_kernel.h"

/* Computing waits a little rather than the loop, which must answer others meanwhile. */
enum { NICENESS = 10 };

struct line {
    struct task *first, *last;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work_came;
    struct line waiting, finished;
    int stopping, finished_fd, count;
    pthread_t thread[];
};

static void enqueue(struct line *line, struct task *task) {
    task->next = NULL;
    if (line->last) line->last->next = task;
    else line->first = task;
    line->last = task;
}

static struct task *dequeue(struct line *line) {
    struct task *task = line->first;
    if (!task) return NULL;
    line->first = task->next;
    if (!line->first) line->last = NULL;
    return task;
}

static int withdraw(struct line *line, const struct task *task) {
    struct task *before = NULL;
    for (struct task *one = line->first; one; before = one, one = one->next) {
        if (one != task) continue;
        if (before) before->next = one->next;
        else line->first = one->next;
        if (line->last == one) line->last = before;
        return 1;
    }
    return 0;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void compute(struct task *task) {
    const double started_s = now_s();
    task->failed = ctr_score(task->model, task->batch, task->logits_C, task->attention_CT);
    task->seconds = now_s() - started_s;
}

/* Never with the lock: the loop wakes up at once, takes the processor, and would wait for a thread
 * that has to wait for its turn. A full pipe wakes the loop as well as one more byte would. */
static void announce(const struct workers *workers) {
    const ssize_t written = write(workers->finished_fd, "", 1);
    (void)written;
}

static void *work(void *pool) {
    struct workers *workers = pool;
#ifdef __linux__
    /* Of this thread alone. A batch thread that is woken does not take the processor from the loop
     * that has just handed it its work; where that is refused it is merely less polite. */
    if (getpriority(PRIO_PROCESS, 0) < NICENESS) setpriority(PRIO_PROCESS, 0, NICENESS);
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    pthread_setname_np(pthread_self(), "ctr-kernel");
#endif
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        struct task *task = dequeue(&workers->waiting);
        if (!task) {
            pthread_cond_wait(&workers->work_came, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        compute(task);
        pthread_mutex_lock(&workers->lock);
        enqueue(&workers->finished, task);
        pthread_mutex_unlock(&workers->lock);
        announce(workers);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

struct workers *ctr_start_workers(int32_t threads, int32_t finished_fd) {
    struct workers *workers = calloc(1, sizeof *workers + (size_t)threads * sizeof(pthread_t));
    if (!workers) return NULL;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work_came, NULL);
    workers->finished_fd = finished_fd;
    for (; workers->count < threads; workers->count++)
        if (pthread_create(&workers->thread[workers->count], NULL, work, workers)) {
            ctr_stop_workers(workers);
            return NULL;
        }
    return workers;
}

void ctr_submit(struct workers *workers, struct task *task) {
    pthread_mutex_lock(&workers->lock);
    enqueue(&workers->waiting, task);
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_signal(&workers->work_came);
}

int ctr_withdraw(struct workers *workers, const struct task *task) {
    pthread_mutex_lock(&workers->lock);
    const int was_in_line = withdraw(&workers->waiting, task);
    pthread_mutex_unlock(&workers->lock);
    return was_in_line;
}

struct task *ctr_finished(struct workers *workers) {
    pthread_mutex_lock(&workers->lock);
    struct task *task = dequeue(&workers->finished);
    pthread_mutex_unlock(&workers->lock);
    return task;
}

void ctr_stop_workers(struct workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->stopping = 1;
    pthread_cond_broadcast(&workers->work_came);
    pthread_mutex_unlock(&workers->lock);
    for (int i = 0; i < workers->count; i++) pthread_join(workers->thread[i], NULL);
    pthread_cond_destroy(&workers->work_came);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
