-- SPDX-License-Identifier: Apache-2.0
-- A database as the first schema left it, with rows. Never changed: it is what older data folders hold.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('0001');
CREATE TABLE transcript (
	id VARCHAR NOT NULL,
	county VARCHAR NOT NULL,
	session_id VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	progress DOUBLE NOT NULL,
	step VARCHAR NOT NULL,
	error_code VARCHAR,
	model VARCHAR,
	options JSON,
	result_key VARCHAR,
	language VARCHAR NOT NULL,
	CONSTRAINT pk_transcript PRIMARY KEY (id)
);
INSERT INTO transcript VALUES('01kqz0e5m0000000000000000t','yongan','01kqz0c8r0000000000000000s','done',1.0,'done',NULL,'base','{"model": "base"}','yongan/sessions/01kqz0c8r0000000000000000s/transcripts/01kqz0e5m0000000000000000t.json','zh');
INSERT INTO transcript VALUES('01kqz1aaa0000000000000000t','yongan','01kqz19990000000000000000s','failed',0.5,'failed','model_missing',NULL,NULL,NULL,'zh');
CREATE TABLE transcript_line (
	transcript_id VARCHAR NOT NULL,
	n INTEGER NOT NULL,
	start_ms INTEGER NOT NULL,
	end_ms INTEGER NOT NULL,
	peer_id VARCHAR NOT NULL,
	speaker VARCHAR NOT NULL,
	text VARCHAR NOT NULL,
	flags JSON NOT NULL,
	CONSTRAINT pk_transcript_line PRIMARY KEY (transcript_id, n),
	CONSTRAINT fk_transcript_line_transcript_id FOREIGN KEY(transcript_id) REFERENCES transcript (id)
);
INSERT INTO transcript_line VALUES('01kqz0e5m0000000000000000t',0,400,2010,'01kqz0d000000000000000000p','永安派出所 调解室','请您说一下姓名和住址。','[]');
INSERT INTO transcript_line VALUES('01kqz0e5m0000000000000000t',1,2150,5300,'01kqz0d110000000000000000p','王建国','我叫王建国，住永安村三组。','["unsure"]');
INSERT INTO transcript_line VALUES('01kqz0e5m0000000000000000t',2,6100,9000,'01kqz0d000000000000000000p','永安派出所 调解室','今天的过程会录音录像，您同意吗？','[]');
INSERT INTO transcript_line VALUES('01kqz0e5m0000000000000000t',3,9400,10100,'01kqz0d110000000000000000p','王建国','同意。','[]');
CREATE TABLE worker_heartbeat (
	worker_id VARCHAR NOT NULL,
	beat_utc_ms BIGINT NOT NULL,
	CONSTRAINT pk_worker_heartbeat PRIMARY KEY (worker_id)
);
INSERT INTO worker_heartbeat VALUES('worker-1',1790000000000);
CREATE INDEX ix_transcript_session_id ON transcript (session_id);
CREATE INDEX ix_transcript_state ON transcript (county, state);
COMMIT;
