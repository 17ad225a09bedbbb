BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE chunk_parts (
	"key" BLOB NOT NULL, 
	part INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_chunk_parts PRIMARY KEY ("key", part), 
	CONSTRAINT fk_chunk_parts_key_chunk_sets FOREIGN KEY("key") REFERENCES chunk_sets ("key") ON DELETE CASCADE
);
CREATE TABLE chunk_sets (
	"key" BLOB NOT NULL, 
	content VARCHAR(64) NOT NULL, 
	document VARCHAR(64) NOT NULL, 
	chunks INTEGER NOT NULL, 
	warnings TEXT NOT NULL, 
	is_whole BOOLEAN NOT NULL, 
	CONSTRAINT pk_chunk_sets PRIMARY KEY ("key"), 
	CONSTRAINT fk_chunk_sets_content_contents FOREIGN KEY(content) REFERENCES contents (sha256) ON DELETE CASCADE
);
CREATE TABLE contents (
	sha256 VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_contents PRIMARY KEY (sha256)
);
INSERT INTO "contents" VALUES('ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',7);
CREATE TABLE files (
	id VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	name BLOB NOT NULL, 
	purpose VARCHAR(100) NOT NULL, 
	uploaded_at DOUBLE NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (id), 
	CONSTRAINT fk_files_sha256_contents FOREIGN KEY(sha256) REFERENCES contents (sha256)
);
INSERT INTO "files" VALUES('file-348f627ac739d1c78674406f','ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',X'6F6C64002E747874','batch',1.79537811119328284256e+09);
CREATE TABLE job_files (
	job_id VARCHAR(64) NOT NULL, 
	place INTEGER NOT NULL, 
	file_id BLOB NOT NULL, 
	name BLOB NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	content VARCHAR(64), 
	chunk_set BLOB, 
	chunks INTEGER NOT NULL, 
	warnings TEXT NOT NULL, 
	error_code TEXT, 
	error_message BLOB, 
	remedy BLOB, 
	changed INTEGER NOT NULL, 
	CONSTRAINT pk_job_files PRIMARY KEY (job_id, place), 
	CONSTRAINT fk_job_files_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE jobs (
	id VARCHAR(64) NOT NULL, 
	owner BLOB NOT NULL, 
	idempotency_key BLOB, 
	request TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	is_cancelled BOOLEAN NOT NULL, 
	error TEXT, 
	progress TEXT NOT NULL, 
	maker TEXT, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	changes INTEGER NOT NULL, 
	lease_holder TEXT, 
	lease_until DOUBLE, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT uq_jobs_owner_idempotency_key UNIQUE (owner, idempotency_key)
);
CREATE TABLE leftovers (
	sha256 VARCHAR(64) NOT NULL, 
	since DOUBLE NOT NULL, 
	CONSTRAINT pk_leftovers PRIMARY KEY (sha256)
);
CREATE TABLE vector_uses (
	vector BLOB NOT NULL, 
	chunk_set BLOB NOT NULL, 
	CONSTRAINT pk_vector_uses PRIMARY KEY (vector, chunk_set), 
	CONSTRAINT fk_vector_uses_chunk_set_chunk_sets FOREIGN KEY(chunk_set) REFERENCES chunk_sets ("key") ON DELETE CASCADE, 
	CONSTRAINT fk_vector_uses_vector_vectors FOREIGN KEY(vector) REFERENCES vectors ("key")
);
CREATE TABLE vectors (
	"key" BLOB NOT NULL, 
	dimensions INTEGER NOT NULL, 
	tokens_used INTEGER NOT NULL, 
	tokens_cut INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_vectors PRIMARY KEY ("key")
);
CREATE INDEX ix_files_sha256 ON files (sha256);
CREATE INDEX ix_files_uploaded_at ON files (uploaded_at);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_chunk_sets_content ON chunk_sets (content);
CREATE INDEX ix_job_files_chunk_set ON job_files (chunk_set);
CREATE INDEX ix_job_files_content ON job_files (content);
CREATE INDEX ix_job_files_job_id_changed ON job_files (job_id, changed);
CREATE INDEX ix_vector_uses_chunk_set ON vector_uses (chunk_set);
COMMIT;
