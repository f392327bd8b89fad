/* The handlers that rows of verb_table.c name, by the file that holds them. */
#ifndef ENGINE_CLIENT_VERBS_H
#define ENGINE_CLIENT_VERBS_H

#include "engine/client/verb.h"
#include "engine/client/verb_args.h"

/* Lines of what is known of an image: versions, packages, base, parent's digest. */
void verb_image_labels(struct verb_ctx *ctx, json_t *labels);

#define VERB(name) int name(struct verb_ctx *ctx, const struct verb_args *args)

VERB(verb_project_create);
VERB(verb_project_ls);
VERB(verb_project_show);
VERB(verb_project_rm);
VERB(verb_import_create);
VERB(verb_import_import);
VERB(verb_import_export);
VERB(verb_import_stack);
VERB(verb_import_backup);
VERB(verb_import_restore);
VERB(verb_project_member_add);
VERB(verb_project_member_rm);
VERB(verb_project_member_ls);

VERB(verb_stack_ls);
VERB(verb_stack_show);
VERB(verb_stack_add);
VERB(verb_stack_rm);
VERB(verb_stack_image_build);
VERB(verb_image_ls);
VERB(verb_image_show);
VERB(verb_image_push);
VERB(verb_image_gc);
VERB(verb_image_rm);

VERB(verb_target_add);
VERB(verb_target_ls);
VERB(verb_target_rm);
VERB(verb_host_ls);
VERB(verb_host_show);

VERB(verb_dev_up);
VERB(verb_dev_stop);
VERB(verb_dev_restart);

VERB(verb_save_save);
VERB(verb_save_saves);
VERB(verb_save_rm);
VERB(verb_save_load);

VERB(verb_exec_run);
VERB(verb_exec_test);
VERB(verb_exec_repl);
VERB(verb_exec_debug);
VERB(verb_exec_shell);
VERB(verb_exec_enter);
/* A line for sh -c in the project's container (or ctx->tier's instance), as an SSH exec request. */
int verb_exec_command(struct verb_ctx *ctx, const char *line);
/* Words (NULL at the end) as a program there, without a shell of ours. */
int verb_exec_program(struct verb_ctx *ctx, const char *const *argv);
/* What an SSH client asked to run: a verb, else (with a project) a command as above. */
int verb_exec_line(struct verb_ctx *ctx, const char *line);

/* Public keys on stdin, one a line, as ssh-copy-id sends them: the caller's own from now on. */
int verb_key_copy_id(struct verb_ctx *ctx);

VERB(verb_deploy_deploy);
VERB(verb_deploy_ship);
VERB(verb_deploy_promote);
VERB(verb_deploy_releases);
VERB(verb_deploy_rollback);

VERB(verb_scale_scale);
VERB(verb_scale_status);
VERB(verb_scale_url);
VERB(verb_scale_top);
VERB(verb_cluster_autoscale);
VERB(verb_cluster_manifest);

VERB(verb_logs_logs);
VERB(verb_logs_events);

VERB(verb_config_get);
VERB(verb_config_set);
VERB(verb_config_rotate);
VERB(verb_config_unset);

VERB(verb_chat_say);
VERB(verb_chat_tail);

VERB(verb_user_add);
VERB(verb_user_ls);
VERB(verb_user_rm);
VERB(verb_user_role);
VERB(verb_user_passwd);
VERB(verb_user_invite);
VERB(verb_user_whoami);
VERB(verb_user_audit);

VERB(verb_session_ls);
VERB(verb_session_kick);

VERB(verb_key_add);
VERB(verb_key_ls);
VERB(verb_key_rm);

VERB(verb_op_follow);
VERB(verb_op_ls);
VERB(verb_op_cancel);

VERB(verb_menu_menu);
VERB(verb_info_info);
VERB(verb_info_version);
VERB(verb_info_help);
VERB(verb_info_completion);
VERB(verb_info_ssh_config);

#undef VERB
#endif
