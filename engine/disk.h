/*
 * Room on the disk.  The files of projects whose dev container runs are measured in turn, in a twentieth
 * of one core's time; all of it, as long as the disk is nearly full or fills quickly, and seldom while its
 * free room stays as it is.  A dev container
 * that wrote more than its project may have (disk.project_mb), or that goes on writing while less is left
 * than disk.reserve_mb, is stopped with the reason; its files stay, and its people may start it again to
 * remove some: only one that goes on growing is stopped again.
 *
 * This measures and does not reserve: what is written between two looks is not held up.  A file system
 * with project quotas does that better where there is one.
 */
#ifndef ENGINE_DISK_H
#define ENGINE_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct disk;

/* Nothing is measured by a backend that cannot.  Sets e->disk. */
void disk_open(struct engine *e);
/* No new measuring. */
void disk_stop(struct engine *e);
bool disk_working(const struct engine *e);
void disk_close(struct engine *e);
/* Bytes that a project's files took when they were measured last, -1 = never. */
int64_t disk_used(const struct engine *e, int64_t project);

/* One look, in bytes. */
struct disk_look {
	int64_t limit;   /* of a project; 0 = none */
	int64_t reserve; /* of the disk; 0 = none */
	int64_t before;  /* used at the look before; < 0 = there was none */
	int64_t used;
	int64_t left;    /* free on the disk */
};
enum disk_verdict { DISK_FINE, DISK_OVER, DISK_FILLS };
enum disk_verdict disk_judge(const struct disk_look *l);
/* How eagerly to measure: free room now and when the round began, what is to stay free; bytes. */
enum disk_pace { DISK_RESTS, DISK_MEASURES, DISK_HURRIES };
enum disk_pace disk_pace(int64_t room, int64_t before, int64_t reserve);
/* Pause until the next project's turn, ms: hurry = the disk is nearly full or fills quickly. */
int64_t disk_pause_ms(int64_t took_ms, bool hurry);

#endif
