;; Edits files of the other end by TRAMP, as a person in Emacs does, and prints what it sees:
;;   emacs --batch --quick --load tramp.el METHOD HOST SSH_CONFIG
(require 'tramp)
(require 'vc-git)
(pcase-let ((`(,method ,host ,config) command-line-args-left))
  (setq command-line-args-left nil
        make-backup-files nil
        tramp-verbose 1
        tramp-persistency-file-name nil
        tramp-ssh-controlmaster-options (format "-F %s -o ControlMaster=auto -o ControlPath=tramp.%%%%C -o ControlPersist=no" config))
  (let* ((folder (format "/%s:%s:tramp-%s/" method host method))
         (file (concat folder "it's a file"))
         (large (make-string 300000 ?x)))
    (make-directory folder t)
    (let ((default-directory folder))
      (with-current-buffer (find-file-noselect file)
        (insert "one\ntwo\n" large)
        (save-buffer)
        (kill-buffer))
      (with-current-buffer (find-file-noselect file)
        (princ (format "opened %s\n" (string= (buffer-string) (concat "one\ntwo\n" large))))
        (goto-char (point-min))
        (insert "zero\n")
        (save-buffer)
        (kill-buffer))
      (set-file-modes file #o640)
      (copy-file file (concat folder "copied"))
      (rename-file (concat folder "copied") (concat folder "renamed"))
      (princ (format "listed %S\n" (directory-files folder nil "^[^.]")))
      (princ (format "mode %o\n" (file-modes file)))
      (princ (format "completed %S\n" (file-name-all-completions "ren" folder)))
      (with-temp-buffer
        (princ (format "status %S\n" (process-file "sh" nil t nil "-c" "head -n 2 \"it's a file\"; exit 3")))
        (princ (format "said %S\n" (buffer-string))))
      (princ (format "shell %S\n" (shell-command-to-string "id -un; pwd")))
      (with-temp-buffer
        (let ((process (start-file-process "later" (current-buffer) "sh" "-c" "read line; echo \"got $line\"")))
          (set-process-sentinel process #'ignore)
          (process-send-string process "a line\n")
          (while (process-live-p process) (accept-process-output process 1))
          (while (accept-process-output process 0.1))
          (princ (format "process %S\n" (string-trim (buffer-string))))))
      (delete-directory folder t)
      (princ (format "gone %S\n" (not (file-exists-p folder)))))))
