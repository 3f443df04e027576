// The four functions of document 001, word for word; supabase and sendAlert are what it takes for granted.
declare const supabase: any;
declare function sendAlert(title: string, data: any): Promise<void>;

async function recordProcessingMetric(queueName: string, processingTimeMs: number, 
                                      successCount: number, errorCount: number) {
  try {
    await supabase.from('monitoring.pipeline_metrics').insert({
      metric_name: 'queue_processing',
      metric_value: processingTimeMs,
      tags: {
        queue: queueName,
        success_count: successCount,
        error_count: errorCount,
      }
    });
  } catch (error) {
    console.error('Failed to record metric:', error);
  }
}

async function recordApiCall(apiName: string, durationMs: number, success: boolean) {
  try {
    await supabase.from('monitoring.pipeline_metrics').insert({
      metric_name: 'api_call',
      metric_value: durationMs,
      tags: {
        api: apiName,
        success: success.toString()
      }
    });
  } catch (error) {
    console.error('Failed to record API metric:', error);
  }
}

async function logWorkerIssue(workerName: string, issueType: string, message: string, 
                             severity: string = 'warning', details: any = {}) {
  try {
    await supabase.from('monitoring.worker_issues').insert({
      worker_name: workerName,
      issue_type: issueType,
      message: message,
      severity: severity,
      details: details,
      resolved: false
    });
  } catch (error) {
    console.error('Failed to log worker issue:', error);
  }
}

async function checkSystemHealth() {
  try {
    const { data, error } = await supabase.rpc('get_system_health');
    
    if (error) throw error;
    
    console.log('System health:', data);
    
    if (data.overall_status === 'critical') {
      // Handle critical system state
      await sendAlert('System health is CRITICAL!', data);
    }
    
    return data;
  } catch (error) {
    console.error('Failed to check system health:', error);
    return { overall_status: 'unknown', error: error.message };
  }
}

export { recordProcessingMetric, recordApiCall, logWorkerIssue, checkSystemHealth };
