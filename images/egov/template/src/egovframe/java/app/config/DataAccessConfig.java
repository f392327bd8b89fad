package app.config;

import javax.sql.DataSource;
import org.egovframe.rte.fdl.cmmn.trace.LeaveaTrace;
import org.egovframe.rte.psl.dataaccess.mapper.MapperConfigurer;
import org.mybatis.spring.SqlSessionFactoryBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.io.support.PathMatchingResourcePatternResolver;

/** What eGovFrame's layers expect: sqlSession, the mappers marked with EgovMapper, leaveaTrace. */
@Configuration
public class DataAccessConfig {
	@Bean
	SqlSessionFactoryBean sqlSession(DataSource dataSource) throws Exception {
		SqlSessionFactoryBean factory = new SqlSessionFactoryBean();

		factory.setDataSource(dataSource);
		factory.setMapperLocations(new PathMatchingResourcePatternResolver().getResources("classpath:mapper/*.xml"));
		return factory;
	}

	@Bean
	static MapperConfigurer mapperConfigurer() {
		MapperConfigurer configurer = new MapperConfigurer();

		configurer.setBasePackage("app");
		return configurer;
	}

	@Bean
	LeaveaTrace leaveaTrace() {
		return new LeaveaTrace();
	}
}
